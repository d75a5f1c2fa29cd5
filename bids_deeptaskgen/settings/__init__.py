"""The settings of every command: one frozen dataclass each, whose existence means that it is valid."""

from bids_deeptaskgen.settings.app import GroupSettings, ParticipantSettings
from bids_deeptaskgen.settings.base import Settings, science_settings, settings_hash
from bids_deeptaskgen.settings.workbench import (
    DemoSettings,
    ModelsImportSettings,
    ModelsInfoSettings,
    SimulateSettings,
)

__all__ = [
    "DemoSettings",
    "GroupSettings",
    "ModelsImportSettings",
    "ModelsInfoSettings",
    "ParticipantSettings",
    "Settings",
    "SimulateSettings",
    "science_settings",
    "settings_hash",
]
