"""Resolution of 'auto' settings, and refusal of settings that model or dataset do not support."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from bids_deeptaskgen.bids.input.archives.lookup import ARCHIVES
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.preflight import Preflight
from bids_deeptaskgen.bids.input.sources import is_cleaned
from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, WARPED_SPACE, find_transform
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.inference import warn_without_effect
from bids_deeptaskgen.nuisance_presets import FMRIPREP_PRESET, PRESETS
from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")


def resolve_settings(
    settings: ParticipantSettings, bundle: Bundle, dataset: InputDataset
) -> ParticipantSettings:
    """Replace 'auto' settings by their resolved values, which enter the settings hash and the sidecars.

    Parameters
    ----------
    settings : ParticipantSettings
    bundle : Bundle
    dataset : InputDataset

    Returns
    -------
    ParticipantSettings

    Raises
    ------
    UserError
        If the settings do not use a given dataset, or require a calibration that the model lacks.
    """
    if settings.calibrated and bundle.card.calibration is None:
        message = (
            f"`calibrated`: {bundle.card.name} ({bundle.folder}) holds no calibration.\n"
            "Omit `calibrated`, or choose a model that deeptaskgen trained with validation participants."
        )
        raise UserError(message)
    if dataset.kind in ARCHIVES and settings.task_id != ("rest",):
        message = (
            f"`task_id` {' '.join(settings.task_id)}: input of type {dataset.kind} has resting-state runs "
            "only, which are named task-rest.\nOmit `task_id`."
        )
        raise UserError(message)
    if not bundle.card.architecture.is_network:
        settings = _without_network_settings(settings, bundle)
    if settings.input_mask == "card":
        settings = replace(settings, input_mask=bundle.card.input_mask)
    if settings.bids_filter_file and settings.bids_filter_file.ignored:
        logger.info(
            "`bids_filter_file`: the queries %s are for fMRIPrep; only the query bold is used.",
            ", ".join(settings.bids_filter_file.ignored),
        )
    is_denoised = is_cleaned(dataset, settings.desc)
    if settings.nuisance_regressors == "auto":
        settings = replace(settings, nuisance_regressors="none" if is_denoised else FMRIPREP_PRESET)
    preset = PRESETS[settings.nuisance_regressors]
    if preset.removes_global_signal:
        logger.warning(
            "`nuisance_regressors` %s removes the global signal, but every published model was trained "
            "on data that include it: the accuracy of predictions is unknown.",
            settings.nuisance_regressors,
        )
    if is_denoised and preset.needs_table:
        logger.warning(
            "`nuisance_regressors` %s on series that were denoised before: a second regression or filter may "
            "reintroduce removed noise (Lindquist et al. 2019).",
            settings.nuisance_regressors,
        )
    if dataset.extra_root("aroma") and not preset.aroma:
        message = (
            f"-d named aroma={dataset.extra_root('aroma')}, which `nuisance_regressors` "
            f"{settings.nuisance_regressors} does not use.\nAdd `nuisance_regressors` aroma (its noise "
            "components) or `desc` nonaggrDenoised (its cleaned series), or omit -d aroma."
        )
        raise UserError(message)
    return settings


def _without_network_settings(settings: ParticipantSettings, bundle: Bundle) -> ParticipantSettings:
    """Replace settings of networks by what a ridge model does, and warn of those that have no effect."""
    values = {"device": "cpu", "precision": "fp32", "input_mask": bundle.card.input_mask}
    ignored = [
        f"`{name}` {getattr(settings, name)}"
        for name, value in values.items()
        if getattr(settings, name) not in (value, default_of(ParticipantSettings, name))
    ]
    warn_without_effect(bundle, ignored)
    return replace(settings, **values)


def check_template_warp(rows: Sequence[Preflight]) -> None:
    """Warn which sessions are warped between templates, and check that the transform is available.

    Parameters
    ----------
    rows : sequence of Preflight
        Input of each session.

    Raises
    ------
    UserError
        If the transform is not available.
    """
    warped_names = [
        row.name for row in rows if any(f"_space-{WARPED_SPACE}_" in name for name in row.bold_names)
    ]
    if warped_names:
        logger.warning(
            "`allow_template_warp`: %d of %d have series in %s only (%s); they are warped with %s, which "
            "blurs them. Better: re-run fMRIPrep with --output-spaces %s:res-2.",
            len(warped_names),
            len(rows),
            WARPED_SPACE,
            ", ".join(warped_names[:5]) + (", ..." if len(warped_names) > 5 else ""),
            find_transform().name,
            MODEL_SPACE,
        )
