"""HTML page of the prediction of traits, in one self-contained file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bids_deeptaskgen.data import read_data
from bids_deeptaskgen.report.html import make_environment
from bids_deeptaskgen.report.section import Section, embed_pictures

# Verdicts are shown by symbol, colour and text.
VERDICT_SYMBOLS = {"better": "\u2713", "unclear": "\u25cb", "none": "\u2013", "worse": "\u25bc"}


class Verdict(NamedTuple):
    """Verdict on a feature set.

    Attributes
    ----------
    features : str
    kind : {"better", "unclear", "none", "worse"}
    text : str
    details : str
        Numbers.
    published : str
        Result of the published set-up; empty without it.
    """

    features: str
    kind: str
    text: str
    details: str
    published: str = ""


@dataclass(frozen=True)
class TargetContent:
    """Content of a target.

    Attributes
    ----------
    name : str
    anchor : str
    description : str
        Kind and participants.
    verdicts : sequence of Verdict
    sections : sequence of Section
    """

    name: str
    anchor: str
    description: str
    verdicts: Sequence[Verdict]
    sections: Sequence[Section] = ()


@dataclass(frozen=True)
class BiomarkersPage:
    """Content of the page.

    Attributes
    ----------
    title : str
    warnings : sequence of (str, str)
        Heading and text of messages above everything.
    facts : dict of str to str
        Description of the data and the analysis, by heading, in order.
    targets : sequence of TargetContent
    sections : sequence of Section
        Sections on all targets, after those of each.
    notes : sequence of str
        Notes on the interpretation.
    methods : sequence of str
        Paragraphs of the methods text.
    references : sequence of str
    summary_text : str
        Explanation of the verdicts.
    """

    title: str
    warnings: Sequence[tuple[str, str]]
    facts: Mapping[str, str]
    targets: Sequence[TargetContent]
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()
    methods: Sequence[str] = ()
    references: Sequence[str] = field(default_factory=tuple)
    summary_text: str = ""


def render(page: BiomarkersPage) -> str:
    """Render the page.

    Parameters
    ----------
    page : BiomarkersPage
        Content of the page.

    Returns
    -------
    str
        HTML with embedded figures and without references to other files.
    """
    template = make_environment().from_string(read_data("biomarkers.html.j2"))
    return template.render(page=page, embed=embed_pictures, symbols=VERDICT_SYMBOLS)
