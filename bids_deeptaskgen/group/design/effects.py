"""Effects of a design: contrasts of its columns, with labels for files and titles for readers."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.group.design.formula import FormulaFactor, Term
from bids_deeptaskgen.group.design.matrix import CodedColumn, CodedMatrix, ColumnPart

Floats = NDArray[np.float64]

# Labels (desc-) of the other maps of a group, see group_*statmap in data/outputs.json.
_RESERVED_LABELS = frozenset({"predicted", "qcfc"})


@dataclass(frozen=True)
class Effect:
    """Effect that is tested.

    Attributes
    ----------
    label : str
        Letters and digits, unique, not that of another map of the group: ``age``, ``sexMMinusF``,
        ``ageBySexM``, ``postMinusPre``.
    title : str
        For readers: ``age``, ``sex: M - F``, ``age by sex: M - F``, ``change from pre to post``.
    unit : str
        What the effect size is: ``per unit of age``, ``difference M - F``.
    contrast : array of shape (n_columns,)
        Weights of the columns of the design matrix.
    """

    label: str
    title: str
    unit: str
    contrast: Floats


def effects_of_terms(
    coded: CodedMatrix, tested: Sequence[Term], difference: tuple[str, str] | None
) -> tuple[Effect, ...]:
    """List the effects of the tested terms.

    Parameters
    ----------
    coded : CodedMatrix
    tested : sequence of terms
    difference : (str, str) or None
        Later and earlier session, whose difference is tested with the intercept.

    Returns
    -------
    tuple of Effect
        Categories without interaction have all pairwise differences.
    """
    effects = []
    if difference:
        later_label, earlier_label = difference
        contrast = _unit_contrast(coded, 0)
        title = f"change from {earlier_label} to {later_label}"
        label = f"{_camel(later_label)}Minus{_capital(earlier_label)}"
        effects.append(Effect(label, title, "mean change", contrast))
    in_interactions = {factor for term in tested if len(term) > 1 for factor in term}
    for term in tested:
        numbers = [number for number, column in enumerate(coded.columns) if {*column.term} == {*term}]
        (factor, *further) = term
        if not further and factor not in in_interactions and coded.columns[numbers[0]].parts[0].level:
            effects += _pairwise(coded, factor, numbers)
        else:
            effects += [_column_effect(coded, number) for number in numbers]
    return _with_unique_labels(effects)


def _unit_contrast(coded: CodedMatrix, number: int) -> Floats:
    contrast = np.zeros(len(coded.columns))
    contrast[number] = 1
    return contrast


def _pairwise(coded: CodedMatrix, factor: FormulaFactor, numbers: Sequence[int]) -> list[Effect]:
    """Return the differences of all pairs of categories."""
    levels = coded.levels[factor.column]
    weights = dict(zip(levels[1:], (_unit_contrast(coded, number) for number in numbers), strict=True))
    weights[levels[0]] = np.zeros(len(coded.columns))
    return [
        Effect(
            f"{_camel(factor.column)}{_capital(level)}Minus{_capital(reference)}",
            f"{factor.column}: {level} - {reference}",
            f"difference {level} - {reference}",
            weights[level] - weights[reference],
        )
        for reference, level in combinations(levels, 2)
    ]


def _column_effect(coded: CodedMatrix, number: int) -> Effect:
    """Return the effect of a column of the design matrix."""
    column = coded.columns[number]
    contrast = _unit_contrast(coded, number)
    if len(column.parts) == 1:
        (part,) = column.parts
        if part.level is not None:
            reference = coded.levels[part.factor.column][0]
            label = f"{_part_label(part)}Minus{_capital(reference)}"
            return Effect(label, _part_title(coded, part), f"difference {part.level} - {reference}", contrast)
        return Effect(_part_label(part), _part_title(coded, part), _unit(part), contrast)
    label, *labels = (_part_label(part) for part in column.parts)
    return Effect(
        label + "".join(f"By{_capital(name)}" for name in labels),
        " by ".join(_part_title(coded, part) for part in column.parts),
        _interaction_unit(coded, column),
        contrast,
    )


def _part_label(part: ColumnPart) -> str:
    """Name a part for a file: ``age``, ``logAge``, ``agePoly2``, ``sexM``."""
    name = _camel(part.factor.column)
    if part.level is not None:
        return f"{name}{_capital(part.level)}"
    match part.factor.function:
        case "log":
            return f"log{_capital(name)}"
        case "poly":
            return f"{name}Poly{part.power}"
        case "scale":
            return f"{name}Scaled"
    return name


def _part_title(coded: CodedMatrix, part: ColumnPart) -> str:
    if part.level is not None:
        return f"{part.factor.column}: {part.level} - {coded.levels[part.factor.column][0]}"
    if part.factor.function == "poly":
        return f"{part.factor.column}, polynomial of degree {part.power}"
    return f"{part.factor.column} (scaled)" if part.factor.function == "scale" else str(part.factor)


def _unit(part: ColumnPart) -> str:
    match part.factor.function:
        case "scale":
            return f"per standard deviation of {part.factor.column}"
        case "poly":
            return f"per unit of an orthonormal polynomial of {part.factor.column}"
    return f"per unit of {part.factor}"


def _interaction_unit(coded: CodedMatrix, column: CodedColumn) -> str:
    numbers = [_unit(part) for part in column.parts if part.level is None]
    categories = [_part_title(coded, part) for part in column.parts if part.level is not None]
    words = " and ".join(numbers) or "difference"
    return f"{words}, difference between {' and '.join(categories)}" if categories else words


def _camel(words: str) -> str:
    """Convert words to letters and digits in lowerCamelCase.

    Examples
    --------
    >>> _camel("BMI (kg/m2)"), _camel("years_of_education"), _camel("M")
    ('bmiKgM2', 'yearsOfEducation', 'm')
    """
    head, *tail = _ascii_words(words)
    start = head.lower() if head.isupper() else head[0].lower() + head[1:]
    return start + "".join(map(_upper_first, tail))


def _capital(words: str) -> str:
    """Convert words to letters and digits that begin with a capital; other letters stay."""
    return "".join(map(_upper_first, _ascii_words(words)))


def _ascii_words(words: str) -> list[str]:
    """Split words into parts of letters and digits without accents; ``x`` if there are none."""
    text = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    return re.findall(r"[A-Za-z0-9]+", text) or ["x"]


def _upper_first(word: str) -> str:
    return word[0].upper() + word[1:]


def _with_unique_labels(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """Add numbers to labels that occur twice or name other maps; file systems may ignore case."""
    labels = set(_RESERVED_LABELS)
    unique = []
    for effect in effects:
        label, number = effect.label, 2
        while label.lower() in labels:
            label, number = f"{effect.label}{number}", number + 1
        labels.add(label.lower())
        unique.append(replace(effect, label=label))
    return tuple(unique)
