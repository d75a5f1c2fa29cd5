"""Data of an evaluation: participants, contrasts and map files of each dataset. Maps are read when needed."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.label_alignment import align_files
from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.bids.output.connectome_files import find_connectomes
from bids_deeptaskgen.bids.participants_table import participants_table, read_values
from bids_deeptaskgen.bids.selection import remaining_labels
from bids_deeptaskgen.connectome.template_masks import grey_matter_mask
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.evaluation.map_reader import Files, read_participants
from bids_deeptaskgen.models.bundle import Bundle, load_bundle
from bids_deeptaskgen.models.contrasts import (
    Contrast,
    choose_contrasts,
    contrast_spellings,
    find_contrast,
    load_contrasts,
)
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.settings.evaluation import FAMILY_COLUMN, EvaluateSettings

logger = logging.getLogger("bids_deeptaskgen")

Read = Callable[[int], NDArray[np.float32]]


@dataclass(frozen=True)
class Study:
    """Participants, contrasts and files of an evaluation.

    Attributes
    ----------
    participants : tuple of str
        Sorted labels without ``sub-`` of the participants to score; see `gather`.
    families : array of str of shape (n_participants,)
        Label of each participant's family.
    has_families : bool
        Whether a table has a column of families; otherwise each participant is a family.
    contrasts : tuple of Contrast
        Contrasts that are both measured and predicted; measured ones if only baselines are evaluated.
    mask : boolean array of shape (76, 93, 78)
        Voxels to score.
    predicted : dict of str to Files
        Predicted maps by the name of the dataset; empty if only baselines are evaluated.
    measured : Files
        Measured maps.
    retest : Files or None
        Repeated measurement of the same participants.
    baseline_train : Files or None
        Measured maps of participants who are not tested.
    bundle : Bundle or None
        Model bundle.
    task : str or None
        Task of the resting-state runs, if the datasets have several.
    halves : tuple of Files
        Maps of the two halves of the measured data; empty without them.
    """

    participants: tuple[str, ...]
    families: NDArray[Any]
    has_families: bool
    contrasts: tuple[Contrast, ...]
    mask: NDArray[np.bool_]
    predicted: Mapping[str, Files]
    measured: Files
    retest: Files | None
    baseline_train: Files | None
    bundle: Bundle | None
    task: str | None = None
    halves: tuple[Files, ...] = ()

    @property
    def labels(self) -> list[str]:
        """Return the labels of the contrasts."""
        return [contrast.label for contrast in self.contrasts]

    def reader(self, files: Files, scratch: Path) -> Read:
        """Return a function that reads all participants' maps of a contrast.

        If an image holds several contrasts, all contrasts are read at once, because reading one volume of a
        compressed image costs as much as reading them all.

        Parameters
        ----------
        files : Files
            Files of each contrast and participant.
        scratch : Path
            Folder for large arrays.

        Returns
        -------
        function of int
            Its argument is the number of the contrast. It returns an array of shape
            (n_participants, n_voxels), NaN where there is no map.
        """
        all_files = (file for by_subject in files.values() for maps in by_subject.values() for file in maps)
        if any(file.volume is not None for file in all_files):
            all_maps = read_participants(files, self.labels, self.participants, self.mask, scratch)
            return lambda number: all_maps[number]
        return lambda number: read_participants(
            files, [self.labels[number]], self.participants, self.mask, scratch
        )[0]


def gather(settings: EvaluateSettings) -> Study:
    """Find the participants, contrasts and files of an evaluation.

    Without predicted maps, contrasts and participants are those of the measured maps. With connectomes for
    the linear model, only participants with connectomes are evaluated.

    Parameters
    ----------
    settings : EvaluateSettings
        Settings of the evaluation.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If no contrast or no participant is both predicted and measured.
    UserError
        If the model bundle is inconsistent.
    """
    bundle = load_bundle(find_model(settings.model)) if settings.model else None
    predicted, subjects = _find_predicted(settings)
    if not predicted:
        datasets = [find_connectomes(source, task=settings.task_id) for source in settings.connectomes]
        subjects = {file.subject for files in datasets for file in files}
    catalogue = {
        contrast.label: contrast
        for contrast in (*load_contrasts(), *(bundle.card.contrasts if bundle else ()))
    }
    labels = list(dict.fromkeys(label for files in predicted.values() for label in files))
    if not predicted:
        labels = _measured_labels(settings.measured, tuple(catalogue.values()))
    contrasts = [contrast for label, contrast in catalogue.items() if label in labels]
    contrasts += [Contrast(label, label, "") for label in labels if label not in catalogue]

    def find_files(source: Path | None, session: str | None = None) -> Files | None:
        if source is None:
            return None
        return _by_contrast(align_files(find_statmaps(source, contrasts, session=session), subjects, source))

    measured = find_files(settings.measured, settings.measured_session) or {}
    subjects |= {subject for by_subject in measured.values() for subject in by_subject}
    retest = settings.retest or (settings.measured if settings.retest_session else None)
    common = _common_contrasts(settings, contrasts, labels, measured)
    predictable = _predictable(settings, predicted, measured, [contrast.label for contrast in common])
    participants = _participants(settings, measured, predictable)
    missing_labels = [f"sub-{label}" for label in settings.participant_label if label not in participants]
    if missing_labels:
        logger.warning(
            "`participant_label`: %d participants do not have both measured and predicted maps: %s.",
            len(missing_labels), abbreviate(missing_labels),
        )  # fmt: skip
    baseline_train = find_files(settings.baseline_train)
    if baseline_train and settings.baseline_train:
        baseline_train = _exclude_tested(baseline_train, participants, settings.baseline_train)
    families, has_families = _families(settings, participants)
    return Study(
        participants=participants,
        families=families,
        has_families=has_families,
        contrasts=common,
        mask=grey_matter_mask() if bundle is None else bundle.output_mask,
        predicted=predicted,
        measured=measured,
        retest=find_files(retest, settings.retest_session),
        baseline_train=baseline_train or None,
        bundle=bundle,
        task=settings.task_id,
        halves=_find_halves(settings, contrasts, subjects),
    )


def _find_halves(
    settings: EvaluateSettings, contrasts: Sequence[Contrast], subjects: Collection[str]
) -> tuple[Files, ...]:
    """Find the maps of the halves, of the session of the measured maps if the halves have sessions."""
    if len({source.resolve() for source in settings.halves}) < len(settings.halves):
        first, second = settings.halves
        message = f"`halves`: {first} and {second} are the same dataset.\nName one dataset for each half."
        raise InputError(message)
    halves = []
    for source in settings.halves:
        files = find_statmaps(source, contrasts)
        if settings.measured_session and any(file.session for file in files):
            files = find_statmaps(source, contrasts, session=settings.measured_session)
        halves.append(_by_contrast(align_files(files, subjects, source)))
    return tuple(halves)


def _common_contrasts(
    settings: EvaluateSettings, contrasts: Sequence[Contrast], labels: Sequence[str], measured: Files
) -> tuple[Contrast, ...]:
    """Select the contrasts that are requested, measured and (if there are predictions) predicted."""
    kind = "predicted" if settings.predicted else "measured"
    requested_labels = choose_contrasts(
        contrasts,
        settings.contrasts,
        source=f"{kind} maps are of",
        hint=f"{kind.capitalize()}: {abbreviate(labels)}.",
    )
    common = tuple(
        contrast
        for contrast in contrasts
        if contrast.label in measured and contrast.label in requested_labels
    )
    if not common:
        selection = f" of `contrasts` {' '.join(settings.contrasts)}" if settings.contrasts else ""
        message = (
            f"No contrast{selection} is both predicted and measured.\n"
            f"Predicted: {abbreviate(labels)}.\nMeasured: {abbreviate(sorted(measured)) or 'none of these'}."
        )
        raise InputError(message)
    return common


def _families(settings: EvaluateSettings, participants: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Read the families, and warn if they were requested but the table has none."""
    table = participants_table(settings.participants_tsv, settings.measured)
    families, has_families = read_families(table, settings.family_column, participants)
    is_requested = settings.participants_tsv or settings.family_column != FAMILY_COLUMN
    if is_requested and not has_families:
        logger.warning(
            "%s: there is no column %s (`family_column`), so participants are treated as unrelated.",
            table or settings.measured, settings.family_column,
        )  # fmt: skip
    return families, has_families


def read_families(path: Path | None, column: str, participants: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Read the family of each participant.

    Parameters
    ----------
    path : Path or None
        Table with a column ``participant_id``; without a table each participant is a family.
    column : str
        Name of the column of families, in any case. A participant without an entry is a separate family.
    participants : sequence of str
        Participant labels without ``sub-``.

    Returns
    -------
    array of str of shape (n_participants,)
        Label of each participant's family.
    bool
        Whether the table has the column.
    """
    values = read_values(path, [column.lower()], participants, "they are treated as unrelated")
    entries = [(values or {}).get(participant, "") for participant in participants]
    families = [
        f"family {entry}" if entry else f"sub-{participant}"
        for entry, participant in zip(entries, participants, strict=True)
    ]
    return np.array(families), values is not None


def _find_predicted(settings: EvaluateSettings) -> tuple[dict[str, Files], set[str]]:
    """Find the predicted maps of all datasets and their participants, with the labels of the first ones."""
    entities = {"task": settings.task_id} if settings.task_id else None
    labels: set[str] = set()
    predicted = {}
    for name, path in settings.predicted:
        files = align_files(find_statmaps(path, entities=entities), labels, path)
        labels |= {file.subject for file in files}
        predicted[name] = _by_contrast(files)
    return predicted, labels


def _by_contrast(files: Sequence[StatmapFile]) -> Files:
    """Group files by contrast and participant."""
    groups: dict[str, dict[str, list[StatmapFile]]] = {}
    for file in files:
        groups.setdefault(file.contrast, {}).setdefault(file.subject, []).append(file)
    return groups


def _measured_labels(source: Path, catalogue: Sequence[Contrast]) -> list[str]:
    """List the contrasts of measured maps: labels of the catalogue first, then other labels of the files."""
    spellings = contrast_spellings(catalogue)
    in_catalogue, other_labels = [], []
    for file in find_statmaps(source):
        task = parse_name(file.path.name).get("task") or ""
        label = find_contrast(spellings, file.contrast, task)
        if label is None:
            other_labels.append(file.contrast)
        else:
            in_catalogue.append(label)
    return list(dict.fromkeys([*in_catalogue, *other_labels]))


def _predictable(
    settings: EvaluateSettings, predicted: Mapping[str, Files], measured: Files, labels: Sequence[str]
) -> dict[str, set[str]]:
    """List for each contrast the participants with a prediction.

    Without predicted maps, these are the participants with connectomes, from which the linear model predicts.
    Without connectomes, these are all measured participants, for whom the group average predicts.
    """
    if predicted:
        return {
            label: {participant for files in predicted.values() for participant in files.get(label, ())}
            for label in labels
        }
    if settings.connectomes:
        datasets = [find_connectomes(source, task=settings.task_id) for source in settings.connectomes]
        subjects = {file.subject for files in datasets for file in files}
        return dict.fromkeys(labels, subjects)
    return {label: set(measured[label]) for label in labels}


def _participants(
    settings: EvaluateSettings, measured: Files, predictable: Mapping[str, set[str]]
) -> tuple[str, ...]:
    """List the participants with a measured map and a prediction of the same contrast, sorted."""
    selection = settings.participant_label
    candidates = {
        participant
        for label, subjects in predictable.items()
        for participant in subjects & set(measured[label])
    }
    selected_labels = {label for label in candidates if not selection or label in selection}
    participants = tuple(sorted(remaining_labels(selected_labels, settings.exclude_participant_label)))
    if participants:
        return participants
    if settings.predicted:
        places, kind = [path for _, path in settings.predicted], "predicted maps"
    elif settings.connectomes:
        places, kind = list(settings.connectomes), "connectomes"
    else:
        message = (
            f"None of the participants of `participant_label` has measured maps in {settings.measured}.\n"
            f"Measured: {_summary(measured)}."
        )
        raise InputError(message)
    subjects = sorted({f"sub-{label}" for labels in predictable.values() for label in labels})
    name = kind.removesuffix(" maps").capitalize()
    message = (
        f"No participant has both measured maps ({settings.measured}) and {kind} "
        f"({', '.join(map(str, places))}) of the same contrast.\n"
        f"Measured: {_summary(measured)}.\n{name}: {len(subjects)} participants ({abbreviate(subjects)})."
    )
    raise InputError(message)


def _exclude_tested(files: Files, participants: Sequence[str], source: Path) -> Files:
    """Remove the tested participants from the training baseline, so that the test is independent."""
    untested_files = {
        contrast: {
            participant: maps for participant, maps in by_subject.items() if participant not in participants
        }
        for contrast, by_subject in files.items()
    }
    candidates = {f"sub-{participant}" for by_subject in files.values() for participant in by_subject}
    tested_labels = sorted(candidates & {f"sub-{participant}" for participant in participants})
    if len(tested_labels) == len(candidates):
        message = (
            f"`baseline_train` {source}: all {len(candidates)} participants are tested "
            f"({abbreviate(tested_labels)}), so no participant remains.\n"
            "Participants are identified by their labels. Choose maps of other participants. If these are "
            "other participants with the same labels, relabel them in a table of paths (TSV)."
        )
        raise InputError(message)
    if tested_labels:
        logger.warning(
            "`baseline_train`: %d of %d participants are tested, according to their labels, and were "
            "excluded from the baseline: %s.",
            len(tested_labels),
            len(candidates),
            abbreviate(tested_labels),
        )
    return untested_files


def _summary(files: Files) -> str:
    participants = sorted({f"sub-{label}" for by_subject in files.values() for label in by_subject})
    return f"{len(files)} contrasts of {len(participants)} participants ({abbreviate(participants)})"
