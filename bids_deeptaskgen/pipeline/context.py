"""Context of a run: everything that is the same for all participants."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bids_deeptaskgen.bids.input.generators import Release, input_releases
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.known_faults import FaultOfInput, find_known_faults
from bids_deeptaskgen.bids.input.query import Query, query_of
from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.models.bundle import Bundle, open_bundle
from bids_deeptaskgen.models.contrasts import Contrast, choose_contrasts
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.pipeline.resolve_settings import resolve_settings
from bids_deeptaskgen.settings.base import science_settings, settings_hash
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")


@dataclass(frozen=True)
class RunContext:
    """Resolved settings, model and input datasets of a run.

    Its pickle is small: it contains the folder of the bundle, and each process opens the bundle once.

    Attributes
    ----------
    settings : ParticipantSettings
        With ``auto`` replaced by the values that model and dataset determine.
    dataset : InputDataset
        The input datasets.
    bundle : Bundle
        The model.
    contrasts : tuple of Contrast
        Requested contrasts, in the order of the network's channels.
    settings_hash : str
        Hash of the science settings and of the model; maps with another hash count as different maps.
    science : dict
        Settings that affect the contents of the maps, as JSON values.
    query : Query
        Filter that selects the files of a participant.
    cleaning : Cleaning
        Cleaning of the BOLD series.
    requirements : DataRequirements
        Minimum data of a session, and its number of windows.
    required_maps : Maps
        Maps that each session must have.
    releases : tuple of Release
        Releases of the pipelines that wrote the input.
    known_faults : tuple of FaultOfInput
        Known faults of these releases. They do not enter the settings hash: a longer list of faults leaves
        finished maps finished.
    command_line : str
        Command line that is equivalent to the settings of the user, for the pages.
    """

    settings: ParticipantSettings
    dataset: InputDataset
    bundle: Bundle
    contrasts: tuple[Contrast, ...]
    settings_hash: str
    science: Mapping[str, Any]
    query: Query
    cleaning: Cleaning
    requirements: DataRequirements
    required_maps: Maps
    releases: tuple[Release, ...] = ()
    known_faults: tuple[FaultOfInput, ...] = ()
    command_line: str = ""


def make_context(settings: ParticipantSettings, dataset: InputDataset, command_line: str = "") -> RunContext:
    """Open the model and resolve the settings of a run.

    Parameters
    ----------
    settings : ParticipantSettings
        Settings of the user.
    dataset : InputDataset
        The input datasets.
    command_line : str
        Command line of the user.

    Returns
    -------
    RunContext

    Raises
    ------
    UserError
        If the model is unusable or does not support the settings.
    """
    bundle = open_bundle(find_model(settings.model).absolute())
    card = bundle.card
    logger.info("Model: %s, %d contrasts (%s)", card.name, len(card.contrasts), bundle.folder)
    if card.notice:
        logger.warning("%s", card.notice)
    labels = choose_contrasts(card.contrasts, settings.contrasts)
    settings = resolve_settings(settings, bundle, dataset)
    if settings.contrasts:
        settings = replace(settings, contrasts=labels)
    releases = input_releases(dataset)
    return RunContext(
        settings=settings,
        dataset=dataset.with_custom(settings.custom_confounds),
        bundle=bundle,
        contrasts=tuple(contrast for contrast in card.contrasts if contrast.label in labels),
        settings_hash=settings_hash(settings, bundle.science_sha256),
        science=science_settings(settings),
        query=query_of(settings),
        cleaning=fill(Cleaning, settings),
        requirements=fill(DataRequirements, settings, window_minutes=card.window_minutes),
        required_maps=Maps(
            settings.map_format,
            labels,
            settings.save_connectome,
            settings.n_bootstrap,
            settings.random_seed if settings.n_bootstrap else 0,
        ),
        releases=releases,
        known_faults=find_known_faults(releases),
        command_line=command_line,
    )
