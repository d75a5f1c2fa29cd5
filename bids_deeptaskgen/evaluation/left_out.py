"""Participants and maps that an evaluation leaves out, and maps that are evaluated against themselves."""

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.evaluation.map_reader import Files
from bids_deeptaskgen.evaluation.reliability import HALF_NAMES, MAX_R, RETEST
from bids_deeptaskgen.evaluation.scoring import PredictorScores
from bids_deeptaskgen.evaluation.study import Study

logger = logging.getLogger("bids_deeptaskgen")

# With a smaller share of the participants, the reliability of a contrast may not be that of the others.
MIN_MEASURED_TWICE = 0.5


def report_unpaired(study: Study, selection: Sequence[str] = ()) -> dict[str, str]:
    """Name the participants without a map of all or some contrasts: measured, predicted, retest or half.

    Parameters
    ----------
    study : Study
    selection : sequence of str
        Labels of the requested participants; all if empty.

    Returns
    -------
    dict of str to str
        Participants by the reason why they are left out; the log has the same text.
    """
    measured = _subjects(study.measured, study.labels)
    facts: dict[str, list[str]] = {}
    if study.predicted:
        predicted = {
            subject for files in study.predicted.values() for subject in _subjects(files, study.labels)
        }
        facts["Left out: predicted, but not measured"] = _names(predicted - measured, selection)
        facts["Left out: measured, but not predicted"] = _names(measured - predicted, selection)
    repeats = dict(zip(HALF_NAMES, study.halves, strict=False))
    if study.retest is not None:
        repeats[RETEST] = study.retest
    for name, files in {"measured": study.measured, **study.predicted, **repeats}.items():
        labels = [label for label in study.labels if label in files or name in repeats]
        incomplete = {}
        for participant in study.participants:
            n_missing = sum(participant not in files.get(label, ()) for label in labels)
            if n_missing:
                incomplete[f"sub-{participant}"] = n_missing
        texts = [f"{subject} ({count} of {len(labels)})" for subject, count in incomplete.items()]
        facts[f"Contrasts without a map ({name})"] = texts
    for reason, names in facts.items():
        if names:
            logger.warning("%s: %s.", reason, abbreviate(names))
    return {reason: abbreviate(names) for reason, names in facts.items() if names}


def _subjects(files: Files, labels: Sequence[str]) -> set[str]:
    return {subject for label in labels for subject in files.get(label, ())}


def _names(subjects: set[str], selection: Sequence[str]) -> list[str]:
    return [f"sub-{subject}" for subject in sorted(subjects) if not selection or subject in selection]


def add_unusable(
    maps: Mapping[str, NDArray[np.float32]],
    files: Mapping[str, Files],
    study: Study,
    contrast: str,
    unusable: MutableMapping[str, set[str]],
) -> None:
    """Add the participants whose map of a contrast exists but has no value.

    Parameters
    ----------
    maps : dict of str to array of shape (n_participants, n_voxels)
        Maps by the name of the dataset.
    files : dict of str to Files
        Their files.
    study : Study
    contrast : str
        Label of the contrast.
    unusable : dict of str to set of str
        Updated: participants by the name of the dataset.
    """
    for name, by_contrast in files.items():
        if name in maps:
            with_file = by_contrast.get(contrast, {})
            for participant, row in zip(study.participants, maps[name], strict=True):
                if participant in with_file and not np.isfinite(row).any():
                    unusable.setdefault(name, set()).add(f"sub-{participant}")


def add_copies(
    scores: Sequence[PredictorScores],
    names: Sequence[str],
    participants: Sequence[str],
    copies: MutableMapping[str, set[str]],
) -> None:
    """Add the participants whose map of a contrast is the measured map itself.

    Parameters
    ----------
    scores : sequence of PredictorScores
        Scores of one contrast.
    names : sequence of str
        Names of the predictors whose maps are read from files.
    participants : sequence of str
        Labels without ``sub-``.
    copies : dict of str to set of str
        Updated: participants by the name of the predictor.
    """
    for entry in scores:
        if entry.name in names:
            r = entry.by_participant["r"]
            is_copy = np.isfinite(r) & (r > MAX_R)
            for number in np.flatnonzero(is_copy):
                copies.setdefault(entry.name, set()).add(f"sub-{participants[number]}")


def report_copies(copies: Mapping[str, set[str]], sources: Mapping[str, Path], measured: Path) -> None:
    """Warn about maps that are the measured maps themselves.

    Parameters
    ----------
    copies : dict of str to set of str
        Result of `add_copies`.
    sources : dict of str to Path
        Datasets by the name of the predictor.
    measured : Path
        Dataset of measured maps.
    """
    for name, subjects in copies.items():
        logger.warning(
            "%s: the maps of %d participants are the measured maps themselves (r above %g): %s. Their scores "
            "say nothing about a model. Compare %s and %s.",
            name, len(subjects), MAX_R, abbreviate(sorted(subjects)), sources.get(name, measured), measured,
        )  # fmt: skip


def report_few_repeats(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Warn about contrasts whose reliability is that of few of the scored participants.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the table ``reliability``.

    Returns
    -------
    dict of str to str
        Text for the report by heading; empty if there is no such contrast.
    """
    texts = [
        f"{row['contrast']} ({row['source']}: {row['n_participants']} of {row['n_scored']})"
        for row in rows
        if row["n_participants"] < MIN_MEASURED_TWICE * row["n_scored"]
    ]
    if not texts:
        return {}
    reason = "Warning: reliability from fewer than half of the scored participants"
    logger.warning(
        "%s: %s. Ceilings and shares assume that the others are as reliable. Check the retest or the halves.",
        reason.removeprefix("Warning: ").capitalize(), abbreviate(texts),
    )  # fmt: skip
    return {reason: abbreviate(texts)}


def report_predictions(files: Files, source: Path) -> None:
    """Warn if a dataset of measured maps holds predicted maps.

    Parameters
    ----------
    files : Files
        Files of each contrast and participant.
    source : Path
        The dataset.
    """
    if predicted := _with_predictions(files):
        logger.warning(
            "%s: was named as measured maps, but the maps of %d participants are predicted, according "
            "to their names (desc-predicted): %s.",
            source, len(predicted), abbreviate(predicted),
        )  # fmt: skip


def refuse_predictions(files: Files, source: Path) -> None:
    """Refuse predicted maps as a half of the measured data.

    Parameters
    ----------
    files : Files
        Files of each contrast and participant.
    source : Path
        The dataset.

    Raises
    ------
    InputError
        If maps are predicted, according to their names.
    """
    if predicted := _with_predictions(files):
        message = (
            f"`halves`: the maps of {len(predicted)} participants in {source} are predicted, according to "
            f"their names (desc-predicted): {abbreviate(predicted)}.\n"
            "Name measured maps of the two halves of the data. The agreement of predicted maps is no "
            "reliability of measured ones."
        )
        raise InputError(message)


def _with_predictions(files: Files) -> list[str]:
    """List the participants with a predicted map."""
    return sorted(
        {
            f"sub-{subject}"
            for by_subject in files.values()
            for subject, maps in by_subject.items()
            if any("_desc-predicted_" in file.path.name for file in maps)
        }
    )
