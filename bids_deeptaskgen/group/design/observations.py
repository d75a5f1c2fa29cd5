"""What a design is planned from: columns of participants and sessions, and the choices of the user."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bids_deeptaskgen.machine import available_cpus
from bids_deeptaskgen.settings.group import COVARIATES, GroupSettings

Cell = str | float | None

_MISSING_WORDS = frozenset({"", "n/a", "na", "nan"})


@dataclass(frozen=True)
class Observation:
    """Columns of a session.

    Attributes
    ----------
    subject : str
        Without ``sub-``.
    session : str or None
        Without ``ses-``; None if the dataset has no sessions.
    columns : dict of str to (str, float or None)
        Text of ``participants.tsv`` and numbers of quality metrics. Empty text, ``n/a``, ``NA``, NaN and None
        are missing values.
    family : str
        Family of the participant; empty if unknown.
    """

    subject: str
    session: str | None
    columns: Mapping[str, Cell]
    family: str = ""


@dataclass(frozen=True)
class DesignRequest:
    """Choices of the user.

    Attributes
    ----------
    design : str or None
        Formula.
    covariates : tuple of str
        Names; empty for none.
    covariates_are_default : bool
        Whether `covariates` are the defaults, which may be dropped with a note.
    missing_covariates : str
        ``exclude`` participants without a value, or ``drop`` the covariate.
    session_difference : str or None
        For example ``post-pre``.
    one_per_family : bool
    n_permutations : int
    tfce : bool
    random_seed : int
    n_processes : int
    """

    design: str | None = None
    covariates: Sequence[str] = COVARIATES
    covariates_are_default: bool = True
    missing_covariates: str = "exclude"
    session_difference: str | None = None
    one_per_family: bool = False
    n_permutations: int = 0
    tfce: bool = False
    random_seed: int = 0
    n_processes: int = field(default_factory=available_cpus)


def request_from_settings(settings: GroupSettings) -> DesignRequest:
    """Convert the settings of the group level to a request.

    Parameters
    ----------
    settings : GroupSettings

    Returns
    -------
    DesignRequest

    Examples
    --------
    >>> from pathlib import Path
    >>> settings = GroupSettings(Path("in"), Path("out"), design="age", covariates=("none",))
    >>> request_from_settings(settings).covariates
    ()
    """
    is_default = not settings.covariates
    names = COVARIATES if is_default else tuple(dict.fromkeys(settings.covariates))
    return DesignRequest(
        design=settings.design,
        covariates=() if names == ("none",) else names,
        covariates_are_default=is_default,
        missing_covariates=settings.missing_covariates,
        session_difference=settings.session_difference,
        one_per_family=settings.one_per_family,
        n_permutations=settings.n_permutations,
        tfce=settings.tfce,
        random_seed=settings.random_seed,
        n_processes=settings.nprocs or available_cpus(),
    )


def is_missing(cell: Cell) -> bool:
    """Return whether a cell has no value.

    Examples
    --------
    >>> [is_missing(cell) for cell in (None, float("nan"), "n/a", " ", "0", 0.0)]
    [True, True, True, True, False, False]
    """
    if isinstance(cell, str):
        return cell.strip().lower() in _MISSING_WORDS
    return cell is None or math.isnan(cell)


def parse_number(cell: Cell) -> float | None:
    """Convert a cell to a finite number, None if it is missing or text.

    Examples
    --------
    >>> parse_number(" 1.5 "), parse_number("M"), parse_number("n/a"), parse_number("inf")
    (1.5, None, None, None)
    """
    if cell is None or is_missing(cell):
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
