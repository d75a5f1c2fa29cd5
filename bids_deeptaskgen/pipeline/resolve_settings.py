"""What the settings left open is settled, and what they cannot have is refused, before all else."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.bids.input.sources import is_cleaned
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, WARPED_SPACE, find_transform
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nuisance_presets import FMRIPREP_PRESET, PRESETS
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")


def resolve_settings(
    settings: ParticipantSettings, bundle: Bundle, located: InputDataset
) -> ParticipantSettings:
    """Put what was found in the place of what was left open: hash and sidecars tell what was done.

    Raises
    ------
    UserError
        If a dataset was named that these settings do not use, or a calibration is asked for that the model
        does not hold.
    """
    if settings.calibrated and bundle.card.calibration is None:
        message = (
            f"--calibrated: {bundle.card.name} ({bundle.folder}) holds no calibration.\n"
            "Leave --calibrated out, or choose a model that was trained here with validation people."
        )
        raise UserError(message)
    if settings.input_mask == "card":
        settings = replace(settings, input_mask=bundle.card.input_mask)
    if settings.bids_filter_file and settings.bids_filter_file.ignored:
        logger.info(
            "--bids-filter-file: the queries %s are for fMRIPrep alone; bold is the one that is used.",
            ", ".join(settings.bids_filter_file.ignored),
        )
    cleaned = is_cleaned(located, settings.desc)
    if settings.nuisance_regressors == "auto":
        settings = replace(settings, nuisance_regressors="none" if cleaned else FMRIPREP_PRESET)
    preset = PRESETS[settings.nuisance_regressors]
    if preset.removes_global_signal:
        logger.warning(
            "--nuisance-regressors %s removes the global signal, which no published model was trained "
            "without: predictions may be off in ways that nobody has measured.",
            settings.nuisance_regressors,
        )
    if cleaned and preset.needs_table:
        logger.warning(
            "--nuisance-regressors %s on series that were denoised before: what is regressed out twice, or "
            "after another filter, may bring back what was removed (Lindquist et al. 2019).",
            settings.nuisance_regressors,
        )
    if located.other("aroma") and not preset.aroma:
        message = (
            f"-d named aroma={located.other('aroma')}, which --nuisance-regressors "
            f"{settings.nuisance_regressors} does not use.\nAdd --nuisance-regressors aroma (its noise "
            "components) or --desc nonaggrDenoised (its cleaned series), or leave it out."
        )
        raise UserError(message)
    return settings


def check_template_warp(rows: Sequence[Preflight]) -> None:
    """Say who is warped between templates, and refuse before anything is computed if that cannot be done."""
    warped = [row.name for row in rows if any(f"_space-{WARPED_SPACE}_" in name for name in row.bold_names)]
    if warped:
        logger.warning(
            "--allow-template-warp: %d of %d have series in %s only (%s); they are warped with %s, which "
            "costs sharpness. Better: re-run fMRIPrep with --output-spaces %s:res-2.",
            len(warped),
            len(rows),
            WARPED_SPACE,
            ", ".join(warped[:5]) + (", ..." if len(warped) > 5 else ""),
            find_transform().name,
            MODEL_SPACE,
        )
