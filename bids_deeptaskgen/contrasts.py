"""The contrasts that a model predicts: labels, published names, and how far each can be trusted."""

import json
import re
from dataclasses import dataclass
from importlib import resources


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
    text = resources.files(__package__).joinpath("data", "contrasts", f"{name}.json").read_text("utf-8")
    return tuple(
        Contrast(
            contrast_label(entry["source_name"]),
            entry["source_name"],
            entry["source_name"].split()[0],
            entry["retest_r"],
        )
        for entry in json.loads(text)["contrasts"]
    )
