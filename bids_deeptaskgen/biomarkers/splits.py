"""Folds: random, one site each, or stored in a table. Families are never divided."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bids_deeptaskgen.biomarkers.problem import Folds, Integers, Problem, Target
from bids_deeptaskgen.biomarkers.stored_folds import read_fold_numbers
from bids_deeptaskgen.errors import InputError, abbreviate, quantity
from bids_deeptaskgen.io.tsv import write_tsv

logger = logging.getLogger("bids_deeptaskgen")

# Bins of a continuous target by whose share the folds are alike.
MAX_BINS = 5
MIN_SITE = 5
MIN_TEST = 2
MIN_TRAINING_FAMILIES = 2


def number_families(families: Sequence[str]) -> Integers:
    """Convert names of families to numbers from 0.

    Parameters
    ----------
    families : sequence of str
        Name of each participant's family.

    Returns
    -------
    integer array of shape (n_participants,)

    Examples
    --------
    >>> number_families(["b", "a", "b"])
    array([1, 0, 1])
    """
    return np.unique(np.asarray(families, object).astype(str), return_inverse=True)[1].astype(np.intp)


def random_folds(
    target: Target, families: Sequence[str], *, n_folds: int, n_repeats: int, seed: int
) -> Folds:
    """Divide participants into random folds of whole families with similar targets.

    Categories, or up to 5 bins of a continuous target with equal numbers of participants, are spread evenly
    over the folds.

    Parameters
    ----------
    target : Target
    families : sequence of str
        Name of each participant's family; a different one for each unrelated participant.
    n_folds, n_repeats : int
    seed : int
        All divisions of another seed are others.

    Returns
    -------
    Folds
        With fewer repeats if large families permit fewer different divisions, which is logged.

    Raises
    ------
    InputError
        If there are fewer families than folds, overall or in a category.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    numbers = number_families(families)
    n_families = int(numbers.max()) + 1
    if n_families < n_folds:
        names, counts = np.unique(np.asarray(families), return_counts=True)
        message = (
            f"There are {quantity(n_families, 'family')} for {n_folds} folds of the target {target.name}; "
            f"the largest, {names[counts.argmax()]}, has {counts.max()} participants.\nReduce `n_folds`, or "
            "write n/a as the family of participants without relatives."
        )
        raise InputError(message)
    strata, method = _strata(target, numbers, n_folds)
    is_unrelated = n_families == len(numbers)
    # Without relatives, the first is equivalent, and many times faster.
    kind = StratifiedKFold if is_unrelated else StratifiedGroupKFold
    folds = np.zeros((n_repeats, len(numbers)), np.intp)
    for repeat in range(n_repeats):
        state = int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])
        splitter = kind(n_folds, shuffle=True, random_state=state)
        parts = splitter.split(np.zeros(len(numbers)), strata, None if is_unrelated else numbers)
        for number, (_, test) in enumerate(parts):
            folds[repeat, test] = number
    distinct_folds = _distinct_divisions(folds)
    if len(distinct_folds) < n_repeats:
        logger.warning(
            "Target %s: the families are so large that %d repeats have %s only, which %s used.",
            target.name, n_repeats, quantity(len(distinct_folds), "different division"),
            "is" if len(distinct_folds) == 1 else "are",
        )  # fmt: skip
    return Folds(distinct_folds, numbers, method, seed)


def _distinct_divisions(folds: Integers) -> Integers:
    """Remove repeats that divide the participants as an earlier one, whatever the numbers of the folds."""
    divisions: dict[bytes, Integers] = {}
    for row in folds:
        _, first_rows, codes = np.unique(row, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first_rows))
        divisions.setdefault(order[codes].tobytes(), row)
    return np.array(list(divisions.values()))


def _strata(target: Target, families: Integers, n_folds: int) -> tuple[Integers, str]:
    """Return the group of similar targets of each participant, and its description."""
    if target.kind == "categorical":
        strata = target.values.astype(np.intp)
        counts = [len(np.unique(families[strata == code])) for code in range(len(target.levels))]
        rare = [
            f"{level} ({quantity(int((strata == code).sum()), 'participant')} of "
            f"{quantity(counts[code], 'family')})"
            for code, level in enumerate(target.levels)
            if counts[code] < n_folds
        ]
        if rare:
            message = (
                f"Categories of the target {target.name} have fewer participants or families than the "
                f"{n_folds} folds: {abbreviate(rare)}.\nReduce `n_folds`, exclude these participants, or "
                "merge categories in a new column."
            )
            raise InputError(message)
        return strata, f"stratified by {target.name}"
    n_bins = max(1, min(MAX_BINS, len(np.unique(families)) // n_folds))
    edges = np.unique(np.quantile(target.values, np.arange(1, n_bins) / n_bins))
    strata = np.searchsorted(edges, target.values, side="right")
    strata = _join_small(np.bincount(strata), n_folds)[strata]
    n_bins = int(strata.max()) + 1
    return strata, f"stratified by {target.name} in {n_bins} bins" if n_bins > 1 else "random"


def _join_small(counts: Integers, min_count: int) -> Integers:
    """Return the stratum of each bin; strata join small bins, as those of tied values may be."""
    numbers = np.zeros(len(counts), np.intp)
    number, size = 0, 0
    for code, count in enumerate(counts):
        numbers[code] = number
        size += count
        if size >= min_count:
            number, size = number + 1, 0
    # The last bins join the stratum before them if they are small together.
    return np.minimum(numbers, max(number - 1, 0))


def site_folds(
    sites: Sequence[str], families: Sequence[str], participants: Sequence[str], *, column: str, seed: int
) -> Folds:
    """Divide participants into one fold per site.

    Parameters
    ----------
    sites : sequence of str
        Site of each participant.
    families : sequence of str
        Name of each participant's family.
    participants : sequence of str
        Labels without ``sub-``, for messages.
    column : str
        Name of the column of sites.
    seed : int
        Of inner folds.

    Returns
    -------
    Folds
        With one repeat.

    Raises
    ------
    InputError
        If there is one site, a site has fewer than 5 participants, or a family is in several sites.
    """
    names, numbers, counts = np.unique(np.asarray(sites), return_inverse=True, return_counts=True)
    if len(names) < 2:
        message = (
            f"The column {column} has one site, {names[0]}, in all {len(sites)} participants of the "
            "analysis.\nRemove `leave_one_site_out`, or include participants of other sites."
        )
        raise InputError(message)
    small = [f"{name} ({count})" for name, count in zip(names, counts, strict=True) if count < MIN_SITE]
    if small:
        message = (
            f"Sites of the column {column} have fewer than {MIN_SITE} participants: {abbreviate(small)}.\n"
            "Exclude their participants (`exclude_participant_label`), or merge sites in a new column."
        )
        raise InputError(message)
    family_numbers = number_families(families)
    _refuse_divided(
        np.asarray(sites), families, participants, f"The sites of the column {column} divide families",
        "Give each family one site, or exclude relatives (`exclude_participant_label`).",
    )  # fmt: skip
    method = f"one fold per {column}: {abbreviate(names.tolist())}"
    return Folds(numbers.astype(np.intp)[None], family_numbers, method, seed)


def read_folds(path: Path, participants: Sequence[str], families: Sequence[str], *, seed: int = 0) -> Folds:
    """Read stored folds.

    Parameters
    ----------
    path : Path
        TSV with a column ``participant_id`` and a column of fold numbers for each repeat, ``repeat1`` ... or
        ``fold``; see `write_folds`.
    participants : sequence of str
        Labels without ``sub-``, in any spelling. Other participants of the table are ignored.
    families : sequence of str
        Name of each participant's family.
    seed : int
        Of inner folds.

    Returns
    -------
    Folds

    Raises
    ------
    InputError
        If the table cannot be read, a participant has no fold, a fold is not a whole number, a family is
        divided between folds, or there are fewer than two folds.
    """
    folds = read_fold_numbers(path, participants)
    for column, values in folds.items():
        _refuse_divided(
            values, families, participants, f"{path}: the column {column} divides families between folds",
            "Write the same fold for all members of a family.", word="fold ",
        )  # fmt: skip
    numbers = np.array([np.unique(values, return_inverse=True)[1] for values in folds.values()], np.intp)
    return Folds(numbers, number_families(families), f"stored in {path.name}", seed)


def write_folds(path: Path, problem: Problem) -> None:
    """Write the folds of a problem, such that `read_folds` reads the same ones.

    Parameters
    ----------
    path : Path
    problem : Problem
    """
    columns: dict[str, Sequence[object]] = {
        "participant_id": [f"sub-{participant}" for participant in problem.participants]
    }
    for repeat, numbers in enumerate(problem.folds.numbers, 1):
        columns[f"repeat{repeat}"] = (numbers + 1).tolist()
    write_tsv(path, columns)


def check_folds(folds: Folds, target: Target, advice: str) -> None:
    """Refuse folds in which a model cannot be fitted or tested.

    Parameters
    ----------
    folds : Folds
    target : Target
    advice : str
        What to do, such as ``Reduce `n_folds`.``

    Raises
    ------
    InputError
        If a test fold has fewer than two participants, the training participants are one family, or a
        category is in so few folds that a training set lacks it: that of an inner fold lacks two folds.
    """
    for repeat, numbers in enumerate(folds.numbers, 1):
        place = f"repeat {repeat} ({folds.method})"
        counts = np.bincount(numbers, minlength=folds.n_folds)
        if counts.min() < MIN_TEST:
            message = (
                f"Fold {counts.argmin() + 1} of {place} has "
                f"{quantity(int(counts.min()), 'participant')} of the target {target.name}, and at least "
                f"{MIN_TEST} are needed.\n{advice}"
            )
            raise InputError(message)
        for fold in range(folds.n_folds):
            if len(np.unique(folds.families[numbers != fold])) < MIN_TRAINING_FAMILIES:
                message = (
                    f"The training participants of fold {fold + 1} of {place} belong to one family, which "
                    f"inner folds cannot divide.\n{advice}"
                )
                raise InputError(message)
        for code, level in enumerate(target.levels):
            n_with_level = len(np.unique(numbers[target.values == code]))
            n_required = min(3, folds.n_folds)
            if n_with_level < n_required:
                message = (
                    f"The category {level} of the target {target.name} occurs in "
                    f"{quantity(n_with_level, 'fold')} of {place}, so that training participants lack it; at "
                    f"least {n_required} folds need it.\n{advice}"
                )
                raise InputError(message)


def _refuse_divided(
    values: Integers, families: Sequence[str], participants: Sequence[str], problem: str, advice: str,
    word: str = "",
) -> None:  # fmt: skip
    """Refuse families whose members have different values; name the first."""
    members: dict[str, list[int]] = {}
    for number, family in enumerate(families):
        members.setdefault(family, []).append(number)
    divided = {family: rows for family, rows in members.items() if len({values[row] for row in rows}) > 1}
    if divided:
        family, rows = next(iter(sorted(divided.items())))
        places = abbreviate([f"sub-{participants[row]} ({word}{values[row]})" for row in rows])
        n_families = "" if len(divided) == 1 else f" and {quantity(len(divided) - 1, 'other family')}"
        message = f"{problem}: {family} with {places}{n_families}.\n{advice}"
        raise InputError(message)
