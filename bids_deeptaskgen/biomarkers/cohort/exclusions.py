"""Participants that are excluded: of which target, why, and in one sentence."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from bids_deeptaskgen.errors import quantity

# Value of the column `target` for participants that are excluded from all targets.
ALL_TARGETS = "all"
# Participants that the user does not want are listed, but are not counted as a loss.
NOT_SELECTED = "not selected"


class Exclusion(NamedTuple):
    """Participant that is excluded.

    Attributes
    ----------
    target : str
        Name of the target, or ``all``.
    participant : str
        Label without ``sub-``.
    reason : str
        First reason that applies.
    group : str
        Words for the summary, such as ``without age``.
    """

    target: str
    participant: str
    reason: str
    group: str


def exclude(
    target: str, participants: Sequence[str], group: str, reason: Callable[[str], str | None]
) -> tuple[tuple[str, ...], tuple[Exclusion, ...]]:
    """Divide participants into those that remain and those that are excluded.

    Parameters
    ----------
    target : str
        Name of the target, or ``all``.
    participants : sequence of str
    group : str
        Words for the summary.
    reason : callable
        Returns why a participant is excluded, None for those that remain.

    Returns
    -------
    participants : tuple of str
        Those that remain, in the same order.
    exclusions : tuple of Exclusion

    Examples
    --------
    >>> exclude("age", ["1", "2"], "without age", {"2": "no value of age"}.get)
    (('1',), (Exclusion(target='age', participant='2', reason='no value of age', group='without age'),))
    """
    reasons = {participant: reason(participant) for participant in participants}
    exclusions = [Exclusion(target, name, words, group) for name, words in reasons.items() if words]
    return tuple(name for name, words in reasons.items() if not words), tuple(exclusions)


def exclusion_rows(exclusions: Iterable[Exclusion]) -> list[dict[str, str]]:
    """Return the rows of the table of excluded participants.

    Parameters
    ----------
    exclusions : iterable of Exclusion
        Of all targets; equal rows are listed once.

    Returns
    -------
    list of dict
        Columns ``target``, ``participant_id`` and ``reason``.
    """
    return [
        {"target": entry.target, "participant_id": f"sub-{entry.participant}", "reason": entry.reason}
        for entry in dict.fromkeys(exclusions)
    ]


def summarise_exclusions(exclusions: Collection[Exclusion], n_participants: int) -> str:
    """Describe in one sentence how many participants were excluded from a target, and why.

    Parameters
    ----------
    exclusions : collection of Exclusion
        Of one target, and of all targets.
    n_participants : int
        Number of participants that remain.

    Returns
    -------
    str

    Examples
    --------
    >>> rows = [Exclusion("age", label, "no value of age", "without age") for label in ("1", "2")]
    >>> rows += [Exclusion("all", "3", "no features of wm", "without features of wm")]
    >>> summarise_exclusions(rows, 409)
    '3 of 412 participants were excluded: 2 without age, 1 without features of wm.'
    """
    counts = Counter(entry.group for entry in exclusions if entry.group != NOT_SELECTED)
    n_excluded = counts.total()
    total = quantity(n_excluded + n_participants, "participant")
    if not n_excluded:
        return f"None of {total} was excluded."
    groups = ", ".join(f"{count:,} {group}" for group, count in counts.most_common())
    verb = "was" if n_excluded == 1 else "were"
    return f"{n_excluded:,} of {total} {verb} excluded: {groups}."
