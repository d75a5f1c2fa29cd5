"""The settings of every command: one frozen dataclass each, whose existence means that it is valid."""

from bids_deeptaskgen.settings.app import GroupSettings, ParticipantSettings
from bids_deeptaskgen.settings.base import Settings, science_settings, settings_hash
from bids_deeptaskgen.settings.benchmark import BenchmarkSettings
from bids_deeptaskgen.settings.prediction import PredictionSettings
from bids_deeptaskgen.settings.training import FinetuneSettings, TrainingSettings, TrainSettings
from bids_deeptaskgen.settings.workbench import (
    DemoSettings,
    EvaluateSettings,
    ModelsFetchSettings,
    ModelsImportSettings,
    ModelsInfoSettings,
    ModelsListSettings,
    PredictSettings,
    SimulateSettings,
)

__all__ = [
    "BenchmarkSettings",
    "DemoSettings",
    "EvaluateSettings",
    "FinetuneSettings",
    "GroupSettings",
    "ModelsFetchSettings",
    "ModelsImportSettings",
    "ModelsInfoSettings",
    "ModelsListSettings",
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
