"""The settings of every command: one frozen dataclass each, whose existence means that it is valid."""

from bids_deeptaskgen.settings.base import Settings, science_settings, settings_hash
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.models import (
    ModelsFetchSettings,
    ModelsImportSettings,
    ModelsInfoSettings,
    ModelsListSettings,
    ModelsNewSettings,
)
from bids_deeptaskgen.settings.network import NetworkSettings
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.prediction import PredictionSettings, PredictSettings
from bids_deeptaskgen.settings.simulation import DemoSettings, SimulateSettings
from bids_deeptaskgen.settings.training import FinetuneSettings, TrainingSettings, TrainSettings

__all__ = [
    "DemoSettings",
    "EvaluateSettings",
    "FinetuneSettings",
    "GroupSettings",
    "ModelsFetchSettings",
    "ModelsImportSettings",
    "ModelsInfoSettings",
    "ModelsListSettings",
    "ModelsNewSettings",
    "NetworkSettings",
    "ParticipantSettings",
    "PredictSettings",
    "PredictionSettings",
    "Settings",
    "SimulateSettings",
    "TrainSettings",
    "TrainingSettings",
    "science_settings",
    "settings_hash",
]
