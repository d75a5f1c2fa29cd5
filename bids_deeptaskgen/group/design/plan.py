"""Plan of the tests of differences between participants: rows, columns, effects, words for readers."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import UserError, abbreviate, quantity
from bids_deeptaskgen.group.design.checks import check_matrix, check_rearrangements
from bids_deeptaskgen.group.design.columns import ColumnReader
from bids_deeptaskgen.group.design.covariates import (
    choose_covariates,
    drop_constant_covariates,
    pool_rare_sites,
)
from bids_deeptaskgen.group.design.effects import Effect, effects_of_terms
from bids_deeptaskgen.group.design.formula import (
    FormulaFactor,
    Term,
    check_marginality,
    parse_formula,
)
from bids_deeptaskgen.group.design.matrix import build_matrix
from bids_deeptaskgen.group.design.observations import DesignRequest, Observation
from bids_deeptaskgen.group.design.relatives import choose_one_per_family, families
from bids_deeptaskgen.group.design.sessions import sessions_by_participant, split_difference
from bids_deeptaskgen.group.design.table import TableColumn
from bids_deeptaskgen.group.design.words import describe_facts, describe_notes

Floats = NDArray[np.float64]

# p = 1 / (n + 1) is the smallest p value of n permutations, so that fewer cannot reach p < 0.05.
MIN_PERMUTATIONS = 20


@dataclass(frozen=True)
class DesignPlan:
    """Design of the tests.

    Attributes
    ----------
    formula : str
        As the user wrote it, or words for a difference of sessions.
    participants : tuple of str
        Rows, without ``sub-``.
    matrix : array of shape (n_participants, n_columns)
        The first column is the intercept.
    columns : tuple of str
    effects : tuple of Effect
    excluded : dict of str to str
        Reason by participant.
    notes : tuple of str
        Sentences for readers.
    facts : dict of str to str
        Words by heading.
    is_difference : bool
        Whether rows are differences of sessions: the later minus the earlier map.
    sessions : dict of str to tuple of (str or None)
        Sessions of each participant, whose maps are averaged; the later and the earlier one for a difference.
    request : DesignRequest
    categories : dict of str to dict of str to str
        Category of each participant by categorical column.
    """

    formula: str
    participants: tuple[str, ...]
    matrix: Floats
    columns: tuple[str, ...]
    effects: tuple[Effect, ...]
    excluded: Mapping[str, str]
    notes: tuple[str, ...]
    facts: Mapping[str, str]
    is_difference: bool
    sessions: Mapping[str, tuple[str | None, ...]]
    request: DesignRequest
    categories: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def dof(self) -> int:
        """Return the residual degrees of freedom."""
        return len(self.participants) - len(self.columns)


def plan_design(
    observations: Sequence[Observation], request: DesignRequest, levels: Collection[str] = ()
) -> DesignPlan:
    """Plan the tests of a design.

    Parameters
    ----------
    observations : sequence of Observation
        Sessions with maps, of participants with maps.
    request : DesignRequest
    levels : collection of str
        Columns that ``participants.json`` declares categorical (`Levels`).

    Returns
    -------
    DesignPlan

    Raises
    ------
    UserError
        If the design cannot be tested; see `parse_formula`, `table_column`, `choose_covariates`,
        `build_matrix` and `check_matrix`.
    """
    _check_permutations(request)
    difference = split_difference(request.session_difference) if request.session_difference else None
    tested = _tested_terms(request, is_difference=difference is not None)
    sessions, excluded = sessions_by_participant(observations, difference)
    reader = ColumnReader(observations, sessions, levels, is_difference=difference is not None)
    table = {factor: reader.read_factor(factor) for term in tested for factor in term}
    _check_factors(table)
    excluded |= _without_values(table.values(), list(sessions))
    participants = _remaining(sessions, excluded)
    choice = choose_covariates(request, reader, {column.source for column in table.values()}, participants)
    excluded |= _without_values(choice.columns, participants, kind="the covariate ")
    relatives = families(_remaining(sessions, excluded), {row.subject: row.family for row in observations})
    if request.one_per_family:
        excluded |= choose_one_per_family(relatives, request.random_seed)
    elif request.n_permutations:
        _refuse_relatives(relatives)
    participants = _remaining(sessions, excluded)
    if request.covariates_are_default:
        choice, of_rare_sites = pool_rare_sites(choice, participants)
        excluded |= of_rare_sites
        participants = _remaining(sessions, excluded)
    _check_variation(table.values(), participants)
    choice = drop_constant_covariates(choice, participants, are_default=request.covariates_are_default)
    table |= {FormulaFactor(column.name): column for column in choice.columns}
    nuisance = tuple((FormulaFactor(column.name),) for column in choice.columns)
    check_marginality(tested, nuisance)
    coded = build_matrix([*tested, *nuisance], table, participants, is_difference=difference is not None)
    names = tuple(map(str, coded.columns))
    check_matrix(coded.values, names, _hint(excluded))
    if request.n_permutations:
        check_rearrangements(coded.values, is_difference=difference is not None)
    return DesignPlan(
        formula=request.design or "",
        participants=tuple(participants),
        matrix=coded.values,
        columns=names,
        effects=effects_of_terms(coded, tested, difference),
        excluded=dict(sorted(excluded.items())),
        notes=(
            *choice.notes,
            *describe_notes(coded, table, participants, tested, relatives, request, difference),
        ),
        facts=describe_facts(coded, choice.columns, participants, excluded, request),
        is_difference=difference is not None,
        sessions={name: tuple(row.session for row in sessions[name]) for name in participants},
        request=request,
        categories={
            column.name: {name: str(column.values[name]) for name in participants}
            for column in table.values()
            if column.is_categorical
        },
    )


def restrict_plan(plan: DesignPlan, participants: Collection[str]) -> DesignPlan:
    """Restrict a design to participants with maps of a contrast.

    Parameters
    ----------
    plan : DesignPlan
    participants : collection of str

    Returns
    -------
    DesignPlan

    Raises
    ------
    UserError
        If participants are too few, a column is constant or a combination of others, a category has one
        participant, or permutations cannot reach p < 0.05.
    """
    rows = [number for number, name in enumerate(plan.participants) if name in participants]
    if len(rows) == len(plan.participants):
        return plan
    restricted = replace(
        plan, participants=tuple(plan.participants[row] for row in rows), matrix=plan.matrix[rows]
    )
    check_matrix(restricted.matrix, plan.columns)
    for name, values in plan.categories.items():
        counts = Counter(values[participant] for participant in restricted.participants)
        if rare := sorted(level for level, n in counts.items() if n == 1):
            message = (
                f"Of the participants with its map, one alone has the {name} {abbreviate(rare)}. Exclude "
                f"this participant, or remove {name} from `design` or `covariates`."
            )
            raise UserError(message)
    if plan.request.n_permutations:
        check_rearrangements(restricted.matrix, is_difference=plan.is_difference)
    return restricted


def _check_permutations(request: DesignRequest) -> None:
    """Refuse numbers of permutations without use."""
    if request.tfce and not request.n_permutations:
        message = "`tfce` needs permutations: set `n_permutations`, for example to 5000, or remove `tfce`."
        raise UserError(message)
    if 0 < request.n_permutations < MIN_PERMUTATIONS:
        message = (
            f"`n_permutations` is {request.n_permutations}, so that the smallest p value is "
            f"1/{request.n_permutations + 1} and no effect can reach p < 0.05. Use at least "
            f"{MIN_PERMUTATIONS}, better 1000 or more; 0 for none."
        )
        raise UserError(message)


def _tested_terms(request: DesignRequest, *, is_difference: bool) -> tuple[Term, ...]:
    """Parse the formula; a difference of sessions needs none."""
    words = (request.design or "").strip().removeprefix("~").strip()
    if is_difference and words in ("", "1"):
        return ()
    if request.design is None:
        message = "There is nothing to test: set `design` or `session_difference`."
        raise UserError(message)
    return parse_formula(request.design)


def _check_factors(table: Mapping[FormulaFactor, TableColumn]) -> None:
    """Refuse functions of categories and of changes, and columns that are both numbers and categories."""
    kinds: dict[str, bool] = {}
    for factor, column in table.items():
        if factor.function in ("log", "scale", "poly") and column.is_categorical:
            message = (
                f"`design` has {factor}, but {factor.column} is categorical. Write {factor.column} alone."
            )
            raise UserError(message)
        if factor.function in ("log", "scale", "poly") and column.is_change:
            message = (
                f"`design` has {factor}, but the rows are changes of {factor.column} between sessions. Write "
                f"{factor.column} alone."
            )
            raise UserError(message)
        if kinds.setdefault(factor.column, column.is_categorical) != column.is_categorical:
            message = (
                f"`design` uses {factor.column} both as a number and as C({factor.column}). Keep one of them."
            )
            raise UserError(message)


def _without_values(
    columns: Collection[TableColumn], participants: Sequence[str], kind: str = ""
) -> dict[str, str]:
    """Return why participants without a value of a column are excluded."""
    reasons = {}
    for name in participants:
        without_value = [column.name for column in columns if column.values[name] is None]
        if without_value:
            reasons[name] = f"no value of {kind}{' and '.join(dict.fromkeys(without_value))}"
    return reasons


def _refuse_relatives(relatives: Mapping[str, Sequence[str]]) -> None:
    if relatives:
        n_relatives = sum(map(len, relatives.values()))
        n_families = quantity(len(relatives), "family")
        message = (
            f"{n_relatives} participants have relatives among the participants ({n_families}). "
            "Permutations exchange participants freely, which is not valid for relatives. Set "
            "`one_per_family` to keep one of each family, or `n_permutations` to 0."
        )
        raise UserError(message)


def _remaining(sessions: Collection[str], excluded: Collection[str]) -> list[str]:
    """Return the participants that are not excluded; refuse an empty design."""
    participants = [name for name in sessions if name not in excluded]
    if not participants:
        message = (
            "No participants remain for the design: all lack maps of a session or a value of a column of "
            "`design` or `covariates`. Check that participants.tsv has these participants, and see "
            "`missing_covariates`."
        )
        raise UserError(message)
    return participants


def _check_variation(columns: Iterable[TableColumn], participants: Sequence[str]) -> None:
    """Refuse tested columns that are constant."""
    for column in columns:
        values = {column.values[name] for name in participants}
        if len(values) == 1:
            (value,) = values
            words = f"{value:g}" if isinstance(value, float) else value
            message = (
                f"The column {column.name} is constant: all {len(participants)} participants of the design "
                f"have {words}. Remove it from `design`, or include other participants."
            )
            raise UserError(message)


def _number(n: int) -> str:
    return f"{quantity(n, 'participant')} {'was' if n == 1 else 'were'}"


def _hint(excluded: Mapping[str, str]) -> str:
    """Suggest how to keep participants that lack covariates."""
    n_lacking = sum("covariate" in reason for reason in excluded.values())
    if not n_lacking:
        return f" {_number(len(excluded))} excluded." if excluded else ""
    return (
        f" {_number(n_lacking)} excluded for lack of a value of a covariate; "
        "`missing_covariates` drop removes such covariates instead."
    )
