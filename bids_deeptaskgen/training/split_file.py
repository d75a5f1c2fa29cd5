"""Who is trained on, validated on and tested on: kept in a table, and held to the people at hand."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bids_deeptaskgen.errors import InputError, shown
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from bids_deeptaskgen.training.pairs import Pair
from bids_deeptaskgen.training.sampling import SPLITS

logger = logging.getLogger("bids_deeptaskgen")


def group_labels_of(pairs: Sequence[Pair], *, keep_sites: bool = False) -> dict[str, set[str]]:
    """Return the groups of each participant that a split must not divide: family and, optionally, site."""
    group_labels: dict[str, set[str]] = {}
    for pair in pairs:
        own = group_labels.setdefault(pair.subject, set())
        if pair.family:
            own.add(f"family {pair.family}")
        if pair.site and keep_sites:
            own.add(f"site {pair.site}")
    return group_labels


def write_split(path: Path, split: Mapping[str, str]) -> None:
    """Write who is in which split, as a TSV with ``participant_id`` and ``split``."""
    participants = sorted(split)
    columns = {
        "participant_id": [f"sub-{one}" for one in participants],
        "split": [split[one] for one in participants],
    }
    write_tsv(path, columns)


def read_split(path: Path, group_labels: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Read a split that `write_split` or somebody else wrote, and hold it to the people at hand.

    Parameters
    ----------
    path : Path
    group_labels : dict of str to collection of str
        As `group_labels_of` gives it: everybody who can be trained on, and what ties them.

    Returns
    -------
    dict of str to str
        Label without ``sub-`` to one of `SPLITS`, for everybody of `group_labels`.

    Raises
    ------
    InputError
        If it is no such table, or somebody is in two splits or left out, or people who are tied to each other
        are in different splits. Whoever is in the table and not at hand is told of in the log: people are
        excluded after a study has divided them.
    """
    split: dict[str, str] = {}
    for number, row in enumerate(read_tsv(path), 2):
        participant, name = (row.get("participant_id") or "").removeprefix("sub-"), row.get("split") or ""
        if not participant or name not in SPLITS:
            message = (
                f"{path}, line {number}: participant_id is {participant or 'empty'}, split is "
                f"{name or 'empty'}; a label and one of {', '.join(SPLITS)} are wanted.\nMend the line."
            )
            raise InputError(message)
        if split.setdefault(participant, name) != name:
            message = (
                f"{path}, line {number}: sub-{participant} is in two splits, {split[participant]} and "
                f"{name}.\nNobody may be tested on who was trained on: remove one of the lines."
            )
            raise InputError(message)
    left_out, absent = (
        [f"sub-{one}" for one in sorted(participants)]
        for participants in (set(group_labels) - set(split), set(split) - set(group_labels))
    )
    if left_out:
        message = (
            f"{path}: {len(left_out)} people are not in the table: {shown(left_out)}.\n"
            "Mend the table, or leave it out to have the people divided anew."
        )
        raise InputError(message)
    if absent:
        logger.warning(
            "%s: %d people in it have no connectomes with task maps, and are left out: %s.",
            path, len(absent), shown(absent),
        )  # fmt: skip
    here = {participant: name for participant, name in split.items() if participant in group_labels}
    _check_together(path, here, group_labels)
    return here


def _check_together(path: Path, split: Mapping[str, str], group_labels: Mapping[str, Iterable[str]]) -> None:
    first: dict[str, str] = {}
    for participant, own in group_labels.items():
        for bond in own:
            other = first.setdefault(bond, participant)
            if split[other] != split[participant]:
                message = (
                    f"{path}: sub-{other} ({split[other]}) and sub-{participant} "
                    f"({split[participant]}) are both of {bond}, but in different splits.\nPut them into one."
                )
                raise InputError(message)
