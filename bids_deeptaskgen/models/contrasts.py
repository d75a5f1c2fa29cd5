"""Contrasts of a model: labels, published names, retest reliability, and search by name."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from bids_deeptaskgen.data import read_data
from bids_deeptaskgen.errors import UserError


@dataclass(frozen=True)
class Contrast:
    """Contrast of one output channel of a network.

    Attributes
    ----------
    label : str
        lowerCamelCase name, valid as the value of a BIDS entity.
    source_name : str
        Name in the study that measured it, e.g. ``WM 2BK-0BK``.
    task : str
        Task of the contrast, e.g. ``WM``.
    retest_r : float or None
        Median spatial correlation of the retest maps of 39 HCP participants (cortex; includes the pattern
        that all participants share; read off a published figure, +-0.01). None if unknown.
    """

    label: str
    source_name: str
    task: str
    retest_r: float | None = None


def contrast_label(source_name: str) -> str:
    """Convert a published contrast name to a label that BIDS allows.

    Parameters
    ----------
    source_name : str
        Task and condition, e.g. ``MOTOR LF-AVG``; ``-`` stands for a difference.

    Returns
    -------
    str
        lowerCamelCase with ``Minus`` for ``-``, e.g. ``motorLfMinusAvg``.
    """
    words = [word for word in re.split(r"[\s_]+", source_name.replace("-", " minus ").lower()) if word]
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


# Spellings of a difference; a "-" becomes an empty string because only letters and digits are compared.
_DIFFERENCES = ("minus", "vs", "versus", "gt", "")


def contrast_spellings(contrasts: Sequence[Contrast]) -> dict[str, str]:
    """List alternative spellings of contrasts for `find_contrast`.

    Parameters
    ----------
    contrasts : sequence of Contrast

    Returns
    -------
    dict of str to str
        Spelling in lower-case letters and digits to label. Spellings are derived from the label and the
        published name with all notations of a difference. Ambiguous spellings are omitted unless they are
        the label of a contrast.
    """
    labels_of: dict[str, set[str]] = {}
    for contrast in contrasts:
        names = (re.split("-", contrast.source_name), re.split("Minus(?=[A-Z0-9])", contrast.label))
        for spelling in {_simplify(word.join(parts)) for parts in names for word in _DIFFERENCES}:
            labels_of.setdefault(spelling, set()).add(contrast.label)
    exact = {_simplify(contrast.label): contrast.label for contrast in contrasts}
    return {spelling: min(labels) for spelling, labels in labels_of.items() if len(labels) == 1} | exact


def find_contrast(spellings: Mapping[str, str], name: str, task: str = "") -> str | None:
    """Find a contrast by any of its spellings.

    Parameters
    ----------
    spellings : dict of str to str
        Result of `contrast_spellings`.
    name : str
        For example ``emotionFacesVsShapes``, ``EMOTION FACES-SHAPES``, or, without its task,
        ``facesMinusShapes``.
    task : str
        Task of the contrast if it is not part of the name.

    Returns
    -------
    str or None
        Label of the contrast; None if there is none.
    """
    label = spellings.get(_simplify(name))
    return spellings.get(_simplify(task + name)) if label is None and task else label


def _simplify(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())


def choose_contrasts(
    contrasts: Sequence[Contrast],
    selection: Sequence[str],
    *,
    source: str = "the model has",
    hint: str = "deeptaskgen models info lists all contrasts.",
) -> tuple[str, ...]:
    """Select contrasts by label, published name or task.

    Parameters
    ----------
    contrasts : sequence of Contrast
        Available contrasts.
    selection : sequence of str
        Labels, published names or tasks, case-insensitive; ``all`` or an empty sequence selects all.
    source : str
        Source of `contrasts` in the error message, with a verb, e.g. ``the model has``.
    hint : str
        Sentence at the end of the error message that says where the contrasts are listed.

    Returns
    -------
    tuple of str
        Unique labels in the order of `contrasts`.

    Raises
    ------
    UserError
        If a name in `selection` matches no contrast.
    """
    names = {" ".join(name.split()).lower() for name in selection} - {"all"}
    if not names:
        return tuple(contrast.label for contrast in contrasts)
    names_of = {
        contrast.label: {contrast.label.lower(), contrast.source_name.lower(), contrast.task.lower()}
        for contrast in contrasts
    }
    valid_names = set().union(*names_of.values())
    unknown_names = sorted(names - valid_names)
    if unknown_names:
        similar = [
            match for name in unknown_names for match in get_close_matches(name, sorted(valid_names), 2)
        ]
        nearest = f"nearest: {', '.join(similar)}; " if similar else ""
        tasks = ", ".join(dict.fromkeys(contrast.task for contrast in contrasts))
        message = (
            f"`contrasts`: {', '.join(unknown_names)}: {source} no such contrast "
            f"({nearest}tasks: {tasks}). {hint}"
        )
        raise UserError(message)
    return tuple(label for label, spellings in names_of.items() if spellings & names)


def load_contrasts(name: str = "hcp-ya") -> tuple[Contrast, ...]:
    """Read a contrast set of the package, in channel order.

    Parameters
    ----------
    name : str
        Name of a file in ``data/contrasts``.

    Returns
    -------
    tuple of Contrast
    """
    text = read_data(f"contrasts/{name}.json")
    return tuple(
        Contrast(
            contrast_label(entry["source_name"]),
            entry["source_name"],
            entry["source_name"].split()[0],
            entry["retest_r"],
        )
        for entry in json.loads(text)["contrasts"]
    )
