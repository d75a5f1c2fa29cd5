"""Facts and notes on a design for readers."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.group.design.checks import LARGE_VIF, variance_inflation
from bids_deeptaskgen.group.design.formula import FormulaFactor, Term
from bids_deeptaskgen.group.design.matrix import CodedMatrix
from bids_deeptaskgen.group.design.observations import DesignRequest
from bids_deeptaskgen.group.design.table import TableColumn

# Numbers of that few different whole values may be codes of categories.
_CODE_COUNTS = range(3, 6)


def describe_notes(
    coded: CodedMatrix,
    table: Mapping[FormulaFactor, TableColumn],
    participants: Sequence[str],
    tested: Sequence[Term],
    relatives: Mapping[str, Sequence[str]],
    request: DesignRequest,
    difference: tuple[str, str] | None,
) -> list[str]:
    """List the sentences that readers of the tests must know.

    Parameters
    ----------
    coded : CodedMatrix
    table : dict of FormulaFactor to TableColumn
    participants : sequence of str
    tested : sequence of terms
    relatives : dict of str to sequence of str
        Participants by family, before one of each was drawn.
    request : DesignRequest
    difference : (str, str) or None

    Returns
    -------
    list of str
    """
    notes = [*_category_notes(table, participants, coded), *_code_notes(table, participants)]
    if difference:
        later_label, earlier_label = difference
        notes.append(
            f"Rows are maps of session {later_label} minus session {earlier_label}. The intercept is the "
            "mean change: this test against zero is valid because what all maps share cancels in the "
            "difference."
        )
        changes = list(dict.fromkeys(column.name for column in table.values() if column.is_change))
        if changes:
            notes.append(
                f"Changes between the sessions that are not centred: {', '.join(changes)}. The mean change "
                "is that of participants in whom they do not change."
            )
    if any(len(term) > 1 for term in tested):
        notes.append(
            "With an interaction, the effect of each of its columns is that at the mean of the numbers and "
            "at the reference of the categories in that interaction."
        )
    if relatives:
        notes.append(_relatives_note(relatives, request))
    notes += [
        f"{name} is nearly collinear with other columns: its variance inflation factor is {value:.1f} (more "
        f"than {LARGE_VIF:g}), so that its effect is uncertain."
        for name, value in zip(map(str, coded.columns[1:]), variance_inflation(coded.values), strict=True)
        if value > LARGE_VIF
    ]
    return notes


def describe_facts(
    coded: CodedMatrix,
    covariates: Sequence[TableColumn],
    participants: Sequence[str],
    excluded: Mapping[str, str],
    request: DesignRequest,
) -> dict[str, str]:
    """Describe a design in words by heading.

    Parameters
    ----------
    coded : CodedMatrix
    covariates : sequence of TableColumn
    participants : sequence of str
    excluded : dict of str to str
    request : DesignRequest

    Returns
    -------
    dict of str to str
    """
    dof = len(participants) - len(coded.columns)
    permutations = "none"
    if request.n_permutations:
        statistics = "largest t" + (" and largest TFCE" if request.tfce else "")
        permutations = f"{request.n_permutations} ({statistics}; seed {request.random_seed})"
    return {
        "Participants": f"{len(participants)} ({len(excluded)} excluded)",
        "Columns of the design": ", ".join(map(str, coded.columns)),
        "Covariates": ", ".join(column.name for column in covariates) or "none",
        "Degrees of freedom": str(dof),
        "Smallest correlation with p < 0.05 (uncorrected)": f"{_critical_r(dof):.2f}",
        "Permutations": permutations,
    }


def _critical_r(dof: int) -> float:
    """Return the partial correlation whose two-sided p is 0.05."""
    from scipy import stats  # slow to import

    t = float(stats.t.isf(0.025, dof))
    return t / float(np.sqrt(t**2 + dof))


def _category_notes(
    table: Mapping[FormulaFactor, TableColumn], participants: Sequence[str], coded: CodedMatrix
) -> list[str]:
    columns = {column.name: column for column in table.values() if column.is_categorical}
    notes = []
    for name, column in columns.items():
        counts = Counter(str(column.values[participant]) for participant in participants)
        words = ", ".join(f"{level} ({counts[level]})" for level in coded.levels[name])
        notes.append(f"{name} is categorical: {words}; {coded.levels[name][0]} is the reference.")
    return notes


def _code_notes(table: Mapping[FormulaFactor, TableColumn], participants: Sequence[str]) -> list[str]:
    columns = {
        column.name: column for column in table.values() if not column.is_categorical and not column.is_change
    }
    notes = []
    for name, column in columns.items():
        values = {float(column.values[participant] or 0) for participant in participants}
        if len(values) in _CODE_COUNTS and all(value.is_integer() for value in values):
            examples = ", ".join(f"{value:g}" for value in sorted(values))
            notes.append(
                f"{name} is treated as a number with the values {examples}. Write C({name}) if these are "
                "codes of categories."
            )
    return notes


def _relatives_note(relatives: Mapping[str, Sequence[str]], request: DesignRequest) -> str:
    n_relatives, n_families = sum(map(len, relatives.values())), quantity(len(relatives), "family")
    if request.one_per_family:
        return (
            f"{n_relatives} participants of {n_families} are related; one of each family was "
            f"drawn at random (seed {request.random_seed})."
        )
    return (
        f"{n_relatives} participants of {n_families} are related. The tests treat them as "
        "independent, so that p values may be too small; `one_per_family` keeps one of each family."
    )
