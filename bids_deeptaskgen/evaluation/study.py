"""Who and what is evaluated: the maps of each dataset by contrast and person, read when they are wanted."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import same_label
from bids_deeptaskgen.bids.measured_maps import StatmapFile, find_statmaps
from bids_deeptaskgen.bids.output.connectome_files import find_connectomes
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.participants_table import participants_table
from bids_deeptaskgen.connectome.template_masks import grey_matter_mask
from bids_deeptaskgen.errors import InputError, shown
from bids_deeptaskgen.evaluation.map_reader import Files, read_participants
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.models.bundle import Bundle, load_bundle
from bids_deeptaskgen.models.contrasts import Contrast, choose_contrasts, load_contrasts
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.settings.evaluation import FAMILY_COLUMN, EvaluateSettings

logger = logging.getLogger("bids_deeptaskgen")

Read = Callable[[int], NDArray[np.float32]]


@dataclass(frozen=True)
class Study:
    """What an evaluation goes through.

    Attributes
    ----------
    participants : tuple of str
        Labels without ``sub-`` of those with measured and predicted maps, sorted; see `gather`.
    families : array of str of shape (n_people,)
        Which family each is of.
    has_families : bool
        Whether a table said so; else each person is a family.
    contrasts : tuple of Contrast
        Those that are both measured and predicted, or measured where there are baselines alone.
    mask : boolean array of shape (76, 93, 78)
        Voxels that are scored.
    predicted : dict of str to Files
        By the name of the dataset; empty where the baselines alone are evaluated.
    measured : Files
    retest, others : Files or None
        Maps measured once more; maps of people who are not tested.
    bundle : Bundle or None
    """

    participants: tuple[str, ...]
    families: NDArray[Any]
    has_families: bool
    contrasts: tuple[Contrast, ...]
    mask: NDArray[np.bool_]
    predicted: Mapping[str, Files]
    measured: Files
    retest: Files | None
    others: Files | None
    bundle: Bundle | None

    @property
    def labels(self) -> list[str]:
        """Labels of the contrasts."""
        return [one.label for one in self.contrasts]

    def reader(self, files: Files, scratch: Path) -> Read:
        """Give what reads everybody's maps of a contrast, by its number: (n_people, n_voxels), NaN for none.

        Images that hold many contrasts are taken apart at once, since to read one is to read them all.
        """
        every = (file for of in files.values() for maps in of.values() for file in maps)
        if any(file.volume is not None for file in every):
            whole = read_participants(files, self.labels, self.participants, self.mask, scratch)
            return lambda number: whole[number]
        return lambda number: read_participants(
            files, [self.labels[number]], self.participants, self.mask, scratch
        )[0]


def gather(settings: EvaluateSettings) -> Study:
    """Find out who and what can be evaluated.

    Without predicted maps, contrasts and participants are those of the measured maps. If there are
    connectomes for the linear model, only participants who have them are evaluated.

    Parameters
    ----------
    settings : EvaluateSettings

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If no contrast, or nobody, is both predicted and measured.
    UserError
        If the model does not fit together.
    """
    bundle = load_bundle(find_model(settings.model)) if settings.model else None
    predicted = {name: _by_contrast(find_statmaps(path)) for name, path in settings.predicted}
    known = {one.label: one for one in (*load_contrasts(), *(bundle.card.contrasts if bundle else ()))}
    labels = list(dict.fromkeys(label for files in predicted.values() for label in files))
    if not predicted:
        labels = _measured_labels(settings.measured, tuple(known.values()))
    contrasts = [known.get(label, Contrast(label, label, "")) for label in known if label in labels]
    contrasts += [Contrast(label, label, "") for label in labels if label not in known]

    def others_maps(source: Path | None, session: str | None = None) -> Files | None:
        return source and _of_session(source, find_statmaps(source, contrasts), session)

    measured = others_maps(settings.measured, settings.measured_session) or {}
    again = settings.retest or (settings.measured if settings.retest_session else None)
    common = _common_contrasts(settings, contrasts, labels, measured)
    having = _having_predictions(settings, predicted, measured, [one.label for one in common])
    participants = _participants(settings, measured, having)
    absent = [f"sub-{one}" for one in settings.participant_label if one not in participants]
    if absent:
        logger.warning(
            "--participant-label: %d people are not both measured and predicted: %s.",
            len(absent), shown(absent),
        )  # fmt: skip
    others = others_maps(settings.baseline_train)
    families, has_families = _families(settings, participants)
    return Study(
        participants=participants,
        families=families,
        has_families=has_families,
        contrasts=common,
        mask=grey_matter_mask() if bundle is None else bundle.output_mask,
        predicted=predicted,
        measured=measured,
        retest=others_maps(again, settings.retest_session),
        others=_without(others, participants, settings.baseline_train)
        if others and settings.baseline_train
        else None,
        bundle=bundle,
    )


def _common_contrasts(
    settings: EvaluateSettings, contrasts: Sequence[Contrast], labels: Sequence[str], measured: Files
) -> tuple[Contrast, ...]:
    """Choose the contrasts that are asked for, predicted (if anything is) and measured."""
    whose = "predicted" if settings.predicted else "measured"
    wanted = choose_contrasts(
        contrasts,
        settings.contrasts,
        whose=f"{whose} maps are of",
        listed=f"{whose.capitalize()}: {shown(labels)}.",
    )
    common = tuple(one for one in contrasts if one.label in measured and one.label in wanted)
    if not common:
        asked = f" of --contrasts {' '.join(settings.contrasts)}" if settings.contrasts else ""
        message = (
            f"No contrast{asked} is both predicted and measured.\n"
            f"Predicted: {shown(labels)}.\nMeasured: {shown(sorted(measured)) or 'none of these'}."
        )
        raise InputError(message)
    return common


def made_plainly_by(bundle: Bundle, files: Mapping[str, Sequence[StatmapFile]]) -> bool:
    """Tell by a sidecar whether maps are a model's as it predicts them, not calibrated already."""
    first = next(iter(files.values()))[0]
    try:
        own = json.loads(sidecar_path(first.path).read_text("utf-8"))["DeepTaskGen"]
        same: bool = own["Model"]["WeightsSha256"] == bundle.weights_sha256
        return same and not own["Settings"].get("calibrated")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _families(settings: EvaluateSettings, participants: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Read families, and say so where they were asked for and are not there."""
    table = participants_table(settings.participants_tsv, settings.measured)
    families, has_families = read_families(table, settings.family_column, participants)
    asked = settings.participants_tsv or settings.family_column != FAMILY_COLUMN
    if asked and not has_families:
        logger.warning(
            "%s: has no column %s (--family-column), so people count as not related.",
            table or settings.measured, settings.family_column,
        )  # fmt: skip
    return families, has_families


def read_families(path: Path | None, column: str, participants: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Say which family each person is of.

    Parameters
    ----------
    path : Path or None
        Table with ``participant_id``; one that is not there says nothing.
    column : str
        Of families, in any case; who has none is a family of their own.
    participants : sequence of str

    Returns
    -------
    array of str of shape (n_people,)
    bool
        Whether there was such a column.
    """
    rows = [
        {str(key).lower(): value for key, value in row.items()} for row in (read_tsv(path) if path else [])
    ]
    column = column.lower()
    of = {(row.get("participant_id") or "").removeprefix("sub-"): row.get(column) for row in rows}
    has_families = any(column in row for row in rows)
    own = [of.get(participant) for participant in participants]
    names = [
        f"family {name}" if (name or "").strip().lower() not in ("", "n/a", "nan") else f"sub-{participant}"
        for name, participant in zip(own, participants, strict=True)
    ]
    return np.array(names), has_families


def _of_session(source: Path, files: Sequence[StatmapFile], session: str | None) -> Files:
    """Keep the maps of a session, which must be there if it is asked for."""
    if session is None:
        return _by_contrast(files)
    own = [file for file in files if file.session is not None and same_label(file.session, session)]
    if not own:
        found = sorted({f"ses-{file.session}" if file.session else "none" for file in files})
        message = (
            f"{source}: no task map is of session {session} (found: {shown(found)}).\n"
            "Choose another --measured-session or --retest-session, or name another dataset."
        )
        raise InputError(message)
    return _by_contrast(own)


def _by_contrast(files: Sequence[StatmapFile]) -> Files:
    found: dict[str, dict[str, list[StatmapFile]]] = {}
    for file in files:
        found.setdefault(file.contrast, {}).setdefault(file.subject, []).append(file)
    return found


def _measured_labels(source: Path, known: Sequence[Contrast]) -> list[str]:
    """List the contrasts of measured maps: known ones by their labels, others as the files call them."""
    try:
        named = find_statmaps(source, known)
    except InputError:  # no contrast is known, or there are no maps, which the next line refuses
        named = []
    places = {(file.path, file.volume) for file in named}
    others = [file for file in find_statmaps(source) if (file.path, file.volume) not in places]
    return list(dict.fromkeys(file.contrast for file in (*named, *others)))


def _having_predictions(
    settings: EvaluateSettings, predicted: Mapping[str, Files], measured: Files, labels: Sequence[str]
) -> dict[str, set[str]]:
    """List for each contrast the participants of whom something is predicted.

    Without predicted maps, these are the participants with connectomes, from which the linear model predicts;
    without both, all who were measured, for whom there is the group average.
    """
    if predicted:
        return {
            label: {participant for files in predicted.values() for participant in files.get(label, ())}
            for label in labels
        }
    if settings.connectomes:
        subjects = {file.subject for source in settings.connectomes for file in find_connectomes(source)}
        return dict.fromkeys(labels, subjects)
    return {label: set(measured[label]) for label in labels}


def _participants(
    settings: EvaluateSettings, measured: Files, having: Mapping[str, set[str]]
) -> tuple[str, ...]:
    """List the participants with a measured map and a prediction of one contrast, sorted."""
    asked = settings.participant_label
    both = {
        participant for label, subjects in having.items() for participant in subjects & set(measured[label])
    }
    participants = tuple(sorted(participant for participant in both if not asked or participant in asked))
    if participants:
        return participants
    if settings.predicted:
        places, what, name = [path for _, path in settings.predicted], "predicted ones", "Predicted"
    elif settings.connectomes:
        places, what, name = list(settings.connectomes), "connectomes", "Connectomes"
    else:
        message = (
            f"None of the participants of --participant-label has measured maps in {settings.measured}.\n"
            f"Measured: {_told(measured)}."
        )
        raise InputError(message)
    subjects = sorted({f"sub-{participant}" for own in having.values() for participant in own})
    message = (
        f"Nobody has both measured maps ({settings.measured}) and {what} "
        f"({', '.join(map(str, places))}) of a contrast.\n"
        f"Measured: {_told(measured)}.\n{name}: {len(subjects)} people ({shown(subjects)})."
    )
    raise InputError(message)


def _without(files: Files, participants: Sequence[str], source: Path) -> Files:
    """Leave out the tested people, who must not be in what they are compared with."""
    kept = {
        contrast: {participant: maps for participant, maps in of.items() if participant not in participants}
        for contrast, of in files.items()
    }
    candidates = {f"sub-{participant}" for by_subject in files.values() for participant in by_subject}
    tested = sorted(candidates & {f"sub-{participant}" for participant in participants})
    if len(tested) == len(candidates):
        message = (
            f"--baseline-train {source}: everybody in it is tested ({shown(tested)}), so nobody remains.\n"
            "People are told apart by their labels. Name maps of other people; if these are others under the "
            "same labels, list them under other ones in a table of paths (TSV)."
        )
        raise InputError(message)
    if tested:
        logger.warning(
            "--baseline-train: %d of %d people are tested, by their labels, and are left out of it: %s.",
            len(tested),
            len(candidates),
            shown(tested),
        )
    return kept


def _told(files: Files) -> str:
    participants = sorted({f"sub-{participant}" for of in files.values() for participant in of})
    return f"{len(files)} contrasts of {len(participants)} people ({shown(participants)})"
