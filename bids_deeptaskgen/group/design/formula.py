"""Formulas of designs: terms of columns, without the evaluation of Python code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from bids_deeptaskgen.errors import UserError

NO_NULL = (
    "Predicted maps have no null hypothesis for 'is there activation': a network that ignores its input "
    "predicts the same map for all participants, and its t is infinite. Only differences between "
    "participants are tested."
)
SYNTAX = (
    "Allowed are names of columns (names with spaces or other characters in backquotes), the operators + * : "
    "^ and parentheses, and the functions C(x), center(x), scale(x), log(x) and poly(x, 2)"
)
_NAME = r"(?:`(?P<quoted>[^`]+)`|(?P<plain>[^\W\d][\w.]*))"
_FACTORS = (
    re.compile(_NAME),
    re.compile(rf"(?P<function>C|center|scale|log)\(\s*{_NAME}\s*\)"),
    re.compile(rf"(?P<function>poly)\(\s*{_NAME}\s*,\s*(?P<degree>[1-9])\s*\)"),
)
_QUOTED = re.compile(r"`[^`]*`")
_FORBIDDEN = re.compile(r"[^\w.\s+*:^(),-]")
_LONG_NUMBER = re.compile(r"(?:\^|\*\*)\s*\d{2,}")
# A power of a column: formulas understand it as an interaction of the column with itself, the column.
_POWER = re.compile(r"[\w.]\s*(?:\^|\*\*)\s*\d")
_ANSI = re.compile(r"\x1b\[[0-9;]*m|[⧛⧚]")


@dataclass(frozen=True)
class FormulaFactor:
    """Column of a term, or a function of it.

    Attributes
    ----------
    column : str
    function : str
        ``C``, ``center``, ``scale``, ``log``, ``poly``, or empty.
    degree : int
        Of the polynomial, else 0.
    """

    column: str
    function: str = ""
    degree: int = 0

    def __str__(self) -> str:
        """Format the factor as in a formula, without backquotes."""
        if not self.function:
            return self.column
        return f"{self.function}({self.column}{f', {self.degree}' if self.degree else ''})"


Term = tuple[FormulaFactor, ...]


def term_words(term: Term) -> str:
    """Format a term as in a formula.

    Examples
    --------
    >>> term_words((FormulaFactor("age"), FormulaFactor("site", "C")))
    'age:C(site)'
    """
    return ":".join(map(str, term))


def parse_formula(formula: str) -> tuple[Term, ...]:
    """Parse a formula into terms; the intercept is not among them.

    Parameters
    ----------
    formula : str
        For example ``age + sex`` or ``~ age * C(group)``.

    Returns
    -------
    tuple of terms

    Raises
    ------
    UserError
        If the formula has a response or no term, leaves out the intercept, or is not allowed.

    Examples
    --------
    >>> [term_words(term) for term in parse_formula("~ age * C(group)")]
    ['age', 'C(group)', 'age:C(group)']
    """
    text = formula.strip().removeprefix("~").strip()
    _check_characters(text)
    terms = [] if not text else list(_parsed_terms(text))
    if text and () not in terms:
        message = (
            f"`design` {formula!r} leaves out the intercept (0 or - 1), so that means would be tested "
            f"instead of differences. {NO_NULL} Remove the 0 or - 1."
        )
        raise UserError(message)
    terms = list(dict.fromkeys(term for term in terms if term))
    if not terms:
        message = f"`design` {formula!r} has no term but the intercept. {NO_NULL} Name a column."
        raise UserError(message)
    return tuple(terms)


def check_marginality(tested: tuple[Term, ...], covariates: tuple[Term, ...]) -> None:
    """Require the terms that each interaction contains.

    Parameters
    ----------
    tested, covariates : tuple of terms

    Raises
    ------
    UserError
        If a term is missing.
    """
    in_design = {frozenset(term) for term in (*tested, *covariates)}
    for term in tested:
        for size in range(1, len(term)):
            for part in combinations(term, size):
                if frozenset(part) not in in_design:
                    message = (
                        f"`design` has the interaction {term_words(term)} without the term "
                        f"{term_words(part)}, so its effect would be mixed with that term. Add "
                        f"{term_words(part)}, or write {' * '.join(map(str, term))}."
                    )
                    raise UserError(message)


def _check_characters(text: str) -> None:
    """Refuse responses, code and operators that remove terms."""
    bare = _QUOTED.sub("x", text)
    if "~" in bare:
        message = (
            f"`design` {text!r} names a response before ~. The response is always the map: write the terms "
            "after ~ only."
        )
        raise UserError(message)
    if bad := _FORBIDDEN.search(bare) or _LONG_NUMBER.search(bare):
        message = f"`design` {text!r} has {bad[0]!r}. {SYNTAX}."
        raise UserError(message)
    if _POWER.search(bare):
        message = (
            f"`design` {text!r} has a power of a column, which in formulas means the column alone. Write "
            "poly(x, 2) for a curve; (a + b)^2 stands for a + b + a:b."
        )
        raise UserError(message)
    if "-" in bare and not re.search(r"-\s*1\s*($|[+)-])", bare):
        message = (
            f"`design` {text!r} has a minus, which would remove terms. Write the terms that you want; write "
            "names with - in backquotes, for example `age-at-scan`."
        )
        raise UserError(message)


def _parsed_terms(text: str) -> Iterator[Term]:
    """Yield the terms of a formula; the intercept is an empty term."""
    from formulaic import Formula  # slow to import

    try:
        terms = list(Formula(text))
    except Exception as error:  # The parser raises errors of many classes.
        reason = " ".join(_ANSI.sub("", str(error)).split())
        message = f"`design` {text!r} is not a formula: {reason} {SYNTAX}."
        raise UserError(message) from error
    for term in terms:
        expressions = [str(factor.expr) for factor in term.factors]
        if expressions == ["1"]:
            yield ()
        else:
            yield tuple(_parse_factor(text, expression) for expression in expressions)


def _parse_factor(text: str, expression: str) -> FormulaFactor:
    """Parse a factor; refuse code."""
    # Quoted names come without backquotes unless they are in a function.
    if expression in {name.strip("`") for name in _QUOTED.findall(text)}:
        return FormulaFactor(expression)
    for pattern in _FACTORS:
        if match := pattern.fullmatch(expression):
            parts = match.groupdict()
            column = parts["quoted"] or parts["plain"]
            function = parts.get("function") or ""
            # All numbers are centred.
            return FormulaFactor(
                column, "" if function == "center" else function, int(parts.get("degree") or 0)
            )
    message = f"`design` {text!r} has {expression!r}. {SYNTAX}."
    raise UserError(message)
