"""Join of participants by their ids: tables and datasets spell one participant in several ways.

Labels are compared without ``sub-``. Equal labels match; the others match as equal numbers (``1`` and
``001``) if no other label on either side is that number. Anything else is no match: a guess could give one
participant the family, the age or the map of another.
"""

import logging
import re
from collections.abc import Collection, Iterable, Sequence

from bids_deeptaskgen.errors import InputError, abbreviate

logger = logging.getLogger("bids_deeptaskgen")


def bare_label(participant: str) -> str:
    """Return the label of a participant without ``sub-`` and surrounding spaces.

    Parameters
    ----------
    participant : str

    Returns
    -------
    str

    Examples
    --------
    >>> bare_label("sub-01"), bare_label("01"), bare_label(" Sub-01")
    ('01', '01', '01')
    """
    return re.sub(r"(?i)^sub-", "", participant.strip())


def match_labels(
    labels: Collection[str], candidates: Collection[str], source: object, *, distinct: Collection[str] = ()
) -> dict[str, str]:
    """Match participants to the spellings of a table or of another dataset.

    Parameters
    ----------
    labels : collection of str
        Labels without ``sub-``.
    candidates : collection of str
        Labels of `source`, without ``sub-``.
    source : object
        Path of the table or dataset, for messages.
    distinct : collection of str
        Labels of different participants, such as those of the folders of one dataset. Two of them do not
        match as equal numbers.

    Returns
    -------
    dict of str to str
        The candidate of each label that has one, in the order of `labels`.

    Raises
    ------
    InputError
        If several labels or candidates are the same number, so that the match is ambiguous.

    Examples
    --------
    >>> match_labels(["001", "02", "A1"], ["1", "02", "3"], "participants.tsv")
    {'001': '1', '02': '02'}
    >>> match_labels(["1"], ["01", "001"], "participants.tsv")
    Traceback (most recent call last):
    bids_deeptaskgen.errors.InputError: participants.tsv: sub-1 may be 01 or 001, ...
    """
    exact = set(labels) & set(candidates)
    by_number = _group_by_number(label for label in candidates if label not in exact)
    twins = _group_by_number(label for label in labels if label not in exact)
    matches: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        number = _number(label)
        if label in exact:
            matches[label] = label
        elif number is not None and number in by_number:
            options = [name for name in by_number[number] if label not in distinct or name not in distinct]
            if options:
                _refuse_ambiguity(twins[number], options, source)
                matches[label] = options[0]
    return matches


def _number(label: str) -> int | None:
    # Spreadsheets and pandas write whole numbers as 1.0 if a column has missing values.
    digits = re.fullmatch(r"([0-9]+)(\.0+)?", label)
    return int(digits[1]) if digits else None


def _group_by_number(labels: Iterable[str]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for label in dict.fromkeys(labels):
        number = _number(label)
        if number is not None:
            groups.setdefault(number, []).append(label)
    return groups


def _refuse_ambiguity(labels: Sequence[str], candidates: Sequence[str], source: object) -> None:
    if len(labels) == len(candidates) == 1:
        return
    problem = f"sub-{labels[0]} may be {' or '.join(candidates)}"
    if len(labels) > 1:
        problem = f"{candidates[0]} may be {' or '.join(f'sub-{label}' for label in labels)}"
    message = (
        f"{source}: {problem}, which are equal numbers.\nWrite the labels as in the names of the folders."
    )
    raise InputError(message)


def align_labels(labels: Iterable[str], reference: Collection[str], source: object) -> dict[str, str]:
    """Map the labels of a dataset or table to the spelling of the reference.

    Parameters
    ----------
    labels : iterable of str
        Labels of `source`, without ``sub-``.
    reference : collection of str
        Labels without ``sub-`` to which they are aligned.
    source : object
        Path, for messages.

    Returns
    -------
    dict of str to str
        Label in `source` to label in the reference; labels without a match stay. The log lists labels that
        match as numbers.

    Raises
    ------
    InputError
        If the match is ambiguous.

    Examples
    --------
    >>> align_labels(["1", "2", "9"], ["001", "002"], "measured.tsv")
    {'1': '001', '2': '002', '9': '9'}
    """
    labels = list(dict.fromkeys(labels))
    matches = match_labels(reference, labels, source)
    spellings = {candidate: label for label, candidate in matches.items()}
    pairs = [f"{label} = sub-{spellings[label]}" for label in labels if spellings.get(label, label) != label]
    if pairs:
        logger.info(
            "%s: %d participants are matched as equal numbers: %s.", source, len(pairs), abbreviate(pairs)
        )
    return {label: spellings.get(label, label) for label in labels}


def warn_unmatched(
    matches: Collection[str], labels: Collection[str], source: object, loss: str, *, may_be_all: bool = False
) -> None:
    """Log the participants for whom a table has no row; refuse a table that has a row for none of them.

    Parameters
    ----------
    matches : collection of str
        Labels with a row.
    labels : collection of str
        All labels, without ``sub-``.
    source : object
        Path of the table.
    loss : str
        What these participants lack, e.g. ``they are treated as unrelated``.
    may_be_all : bool
        Whether it is acceptable that no participant has a row.

    Raises
    ------
    InputError
        If no participant has a row, unless `may_be_all`.
    """
    unmatched = [f"sub-{label}" for label in sorted(labels) if label not in matches]
    if not unmatched:
        return
    if not matches and not may_be_all:
        message = (
            f"{source}: has no row of any of the {len(unmatched)} participants ({abbreviate(unmatched)}).\n"
            "Write the labels in its column participant_id as in the names of the folders."
        )
        raise InputError(message)
    logger.warning(
        "%s: has no row of %d of %d participants; %s: %s.",
        source, len(unmatched), len(labels), loss, abbreviate(unmatched),
    )  # fmt: skip
