"""Sections of pages: tables with a text, and figures."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Estimate(NamedTuple):
    """Number with an interval.

    Attributes
    ----------
    value : float
        NaN is n/a.
    ci_low, ci_high : float
        Bounds of the interval; NaN without an interval.
    digits : int
        Number of digits after the point.
    """

    value: float
    ci_low: float = float("nan")
    ci_high: float = float("nan")
    digits: int = 3


class PValue(NamedTuple):
    """Probability as a cell.

    Attributes
    ----------
    p : float
        NaN is n/a.
    """

    p: float


class Picture(NamedTuple):
    """Figure of a page.

    Attributes
    ----------
    caption : str
    image : bytes
        PNG image.
    alt : str
        Content of the figure in words, for readers who do not see it; by default the caption.
    """

    caption: str
    image: bytes
    alt: str = ""


# None is an empty cell.
Cell = str | int | float | Estimate | PValue | None


@dataclass(frozen=True)
class Section:
    """Section of a page: a table with a text, figures, or both.

    Attributes
    ----------
    name : str
        Anchor of the section in the page.
    heading : str
        Heading of the section.
    columns : sequence of str
        Headings of the columns; empty without a table.
    rows : sequence of sequence of str, int, float, Estimate, PValue or None
        Cells. Text is aligned to the left; numbers have three decimals, NaN is n/a. A table of many rows
        scrolls.
    text : str
        Explanation below the table.
    figures : dict of str to Picture
        By the name of the figure (its file in ``figures``).
    row_classes : sequence of str
        Class of each row, such as ``baseline`` (grey) or ``sure`` (bold); empty without classes.
    """

    name: str
    heading: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    text: str = ""
    figures: Mapping[str, Picture] = field(default_factory=dict)
    row_classes: Sequence[str] = ()


class EmbeddedPicture(NamedTuple):
    """Figure as an element of a page.

    Attributes
    ----------
    name, caption, alt, source : str
        The source is a data URI.
    """

    name: str
    caption: str
    alt: str
    source: str


def embed_pictures(figures: Mapping[str, Picture]) -> list[EmbeddedPicture]:
    """Convert figures to elements of a page that has no other files.

    Parameters
    ----------
    figures : dict of str to Picture
        By the name of the figure.

    Returns
    -------
    list of EmbeddedPicture

    Examples
    --------
    >>> embed_pictures({"scores": Picture("Scores of a.", b"png")})[0].source
    'data:image/png;base64,cG5n'
    """
    return [
        EmbeddedPicture(
            name,
            picture.caption,
            picture.alt or picture.caption,
            "data:image/png;base64," + b64encode(picture.image).decode("ascii"),
        )
        for name, picture in figures.items()
    ]
