"""The contrasts that a model predicts: labels, published names, and how far each can be trusted."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from bids_deeptaskgen.data import read_data
from bids_deeptaskgen.errors import UserError


@dataclass(frozen=True)
class Contrast:
    """One output channel of a network.

    Attributes
    ----------
    label : str
        lowerCamelCase name, legal as the value of a BIDS entity.
    source_name : str
        Name in the study that measured it, e.g. ``WM 2BK-0BK``.
    task : str
        Task of the contrast, e.g. ``WM``.
    retest_r : float or None
        Median spatial correlation of the retest maps of 39 HCP people (cortex, includes the pattern that
        all people share; read off a published figure, +-0.01); None where it is not known.
    """

    label: str
    source_name: str
    task: str
    retest_r: float | None = None


def contrast_label(source_name: str) -> str:
    """Turn a published contrast name into a label that BIDS allows.

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


# How a difference is written by others; in letters and digits alone, "-" leaves nothing.
_DIFFERENCES = ("minus", "vs", "versus", "gt", "")


def contrast_spellings(contrasts: Sequence[Contrast]) -> dict[str, str]:
    """List how the contrasts may be written elsewhere, for `find_contrast`.

    Parameters
    ----------
    contrasts : sequence of Contrast

    Returns
    -------
    dict of str to str
        Spelling in lower-case letters and digits to label: of the label and the published name, with every
        way to write a difference. What two contrasts could mean is none's, unless it is one's own label.
    """
    meant: dict[str, set[str]] = {}
    for one in contrasts:
        parts = {tuple(re.split("-", one.source_name)), tuple(re.split("Minus(?=[A-Z0-9])", one.label))}
        for spelling in {_plain(word.join(of)) for of in parts for word in _DIFFERENCES}:
            meant.setdefault(spelling, set()).add(one.label)
    own = {_plain(one.label): one.label for one in contrasts}
    return {spelling: min(labels) for spelling, labels in meant.items() if len(labels) == 1} | own


def find_contrast(spellings: Mapping[str, str], name: str, task: str = "") -> str | None:
    """Find which contrast somebody means.

    Parameters
    ----------
    spellings : dict of str to str
        As `contrast_spellings` gives it.
    name : str
        For example ``emotionFacesVsShapes``, ``EMOTION FACES-SHAPES``, or, without its task,
        ``facesMinusShapes``.
    task : str
        Where it is known beside the name.

    Returns
    -------
    str or None
        Label of the contrast.
    """
    found = spellings.get(_plain(name))
    return spellings.get(_plain(task + name)) if found is None and task else found


def _plain(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())


def choose_contrasts(
    contrasts: Sequence[Contrast],
    wanted: Sequence[str],
    *,
    whose: str = "the model has",
    listed: str = "deeptaskgen models info lists them all.",
) -> tuple[str, ...]:
    """Find contrasts by label, published name or task.

    Parameters
    ----------
    contrasts : sequence of Contrast
        What there is.
    wanted : sequence of str
        Labels, published names or tasks, in any case; ``all``, or none, for all of them.
    whose, listed : str
        For the error: of what `contrasts` are, and where to see them.

    Returns
    -------
    tuple of str
        Labels, each once, in the order of `contrasts`.

    Raises
    ------
    UserError
        If something is asked for that is not there.
    """
    asked = {" ".join(name.split()).lower() for name in wanted} - {"all"}
    if not asked:
        return tuple(one.label for one in contrasts)
    names = {one.label: {one.label.lower(), one.source_name.lower(), one.task.lower()} for one in contrasts}
    known = set().union(*names.values())
    unknown = sorted(asked - known)
    if unknown:
        near = [close for name in unknown for close in get_close_matches(name, sorted(known), 2)]
        nearest = f"nearest: {', '.join(near)}; " if near else ""
        tasks = ", ".join(dict.fromkeys(one.task for one in contrasts))
        message = (
            f"--contrasts: {', '.join(unknown)}: {whose} no such contrast ({nearest}tasks: {tasks}). {listed}"
        )
        raise UserError(message)
    return tuple(label for label, own in names.items() if own & asked)


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
