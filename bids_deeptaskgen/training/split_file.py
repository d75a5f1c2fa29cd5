"""The table of training, validation and test participants."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bids_deeptaskgen.bids.participant_ids import align_labels, bare_label
from bids_deeptaskgen.bids.participants_table import require_id_column
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.io.text_table import is_missing
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from bids_deeptaskgen.training.pairs import Pair
from bids_deeptaskgen.training.sampling import SPLITS

logger = logging.getLogger("bids_deeptaskgen")


def group_labels_of(pairs: Sequence[Pair], *, keep_sites: bool = False) -> dict[str, set[str]]:
    """Return the groups of each participant that a split must not divide: family and, optionally, site.

    Parameters
    ----------
    pairs : sequence of Pair
    keep_sites : bool
        Whether participants of one site must be in the same split.

    Returns
    -------
    dict of str to set of str
        Names of groups by participant.
    """
    group_labels: dict[str, set[str]] = {}
    for pair in pairs:
        labels = group_labels.setdefault(pair.subject, set())
        if pair.family:
            labels.add(f"family {pair.family}")
        if pair.site and keep_sites:
            labels.add(f"site {pair.site}")
    return group_labels


def write_split(path: Path, split: Mapping[str, str]) -> None:
    """Write the split of each participant as a TSV with ``participant_id`` and ``split``.

    Parameters
    ----------
    path : Path
    split : dict of str to str
        One of `SPLITS` for each label without ``sub-``.
    """
    participants = sorted(split)
    columns = {
        "participant_id": [f"sub-{label}" for label in participants],
        "split": [split[label] for label in participants],
    }
    write_tsv(path, columns)


def read_split(path: Path, group_labels: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Read a table of splits and check it against the participants.

    Parameters
    ----------
    path : Path
    group_labels : dict of str to collection of str
        Groups of all participants with pairs, see `group_labels_of`.

    Returns
    -------
    dict of str to str
        One of `SPLITS` for each participant of `group_labels`.

    Raises
    ------
    InputError
        If the table is invalid, a participant is in two splits or in none, or participants who share a group
        are in different splits. The log lists participants of the table without pairs, since a study may
        exclude participants after the split.
    """
    split: dict[str, str] = {}
    for number, row in enumerate(read_tsv(path), 2):
        participant, name = bare_label(row[require_id_column(path, tuple(row))]), row.get("split", "")
        if is_missing(participant) or name not in SPLITS:
            message = (
                f"{path}, line {number}: participant_id is {_format_cell(participant)}, split is "
                f"{_format_cell(name)}. Write a label and one of {', '.join(SPLITS)}."
            )
            raise InputError(message)
        if split.setdefault(participant, name) != name:
            message = (
                f"{path}, line {number}: sub-{participant} is in two splits, {split[participant]} and "
                f"{name}.\nRemove one of the lines: training and test participants must be separate."
            )
            raise InputError(message)
    aligned_labels = align_labels(split, group_labels, path)
    split = {aligned_labels[participant]: name for participant, name in split.items()}
    unassigned, without_pairs = (
        [f"sub-{label}" for label in sorted(participants)]
        for participants in (set(group_labels) - set(split), set(split) - set(group_labels))
    )
    if unassigned:
        message = (
            f"{path}: {len(unassigned)} participants are not in the table: {abbreviate(unassigned)}.\n"
            "Add them to the table, or omit `split` to draw a new split."
        )
        raise InputError(message)
    if without_pairs:
        logger.warning(
            "%s: %d participants of the table have no connectomes with measured maps and are excluded: %s.",
            path, len(without_pairs), abbreviate(without_pairs),
        )  # fmt: skip
    paired_split = {participant: name for participant, name in split.items() if participant in group_labels}
    _check_groups(path, paired_split, group_labels)
    return paired_split


def _format_cell(cell: str) -> str:
    return cell.strip() or "empty"


def _check_groups(path: Path, split: Mapping[str, str], group_labels: Mapping[str, Iterable[str]]) -> None:
    first_members: dict[str, str] = {}
    for participant, labels in group_labels.items():
        for label in labels:
            member = first_members.setdefault(label, participant)
            if split[member] != split[participant]:
                message = (
                    f"{path}: sub-{member} ({split[member]}) and sub-{participant} ({split[participant]}) "
                    f"are both of {label}, but in different splits.\nAssign them to the same split."
                )
                raise InputError(message)
