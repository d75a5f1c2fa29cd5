import re

import pytest

from bids_deeptaskgen.report.html import make_environment
from bids_deeptaskgen.report.section import Estimate, Picture, PValue, Section, embed_pictures

NAN = float("nan")


def body(section):
    """Render a section."""
    template = '{% import "section.html.j2" as parts %}{{ parts.body(section, pictures) }}'
    environment = make_environment()
    return environment.from_string(template).render(section=section, pictures=embed_pictures(section.figures))


def cells(*row):
    """Render a row."""
    text = body(Section("name", "Heading", [""] * len(row), [row]))
    return re.findall(r"<td.*?</td>", text)


@pytest.mark.parametrize(
    ("cell", "html"),
    [
        ("a <b>", '<td class="text">a &lt;b&gt;</td>'),
        (1234567, "<td>1,234,567</td>"),
        (0.12345, "<td>0.123</td>"),
        (NAN, "<td>n/a</td>"),
        (None, "<td></td>"),
        (PValue(0.0123), "<td>0.012</td>"),
        (PValue(NAN), "<td>n/a</td>"),
        (Estimate(0.5), "<td>0.500</td>"),
        (Estimate(0.5, 0.25, 0.75), '<td>0.500<br><span class="small">0.250, 0.750</span></td>'),
        (Estimate(1234.5, 1000, 1500, 0), '<td>1234<br><span class="small">1000, 1500</span></td>'),
        (Estimate(NAN, 0, 1), "<td>n/a</td>"),
    ],
)
def test_cells_are_formatted_by_their_type(cell, html):
    assert cells(cell) == [html]


def test_headings_are_aligned_like_the_cells_of_the_first_row():
    text = body(Section("name", "Heading", ["word", "number", "empty"], [("x", 1, None), ("y", 2, "z")]))
    headings = re.findall(r"<th.*?</th>", text)
    assert headings == [
        '<th scope="col" class="text">word</th>',
        '<th scope="col">number</th>',
        '<th scope="col">empty</th>',
    ]


def test_rows_have_their_class_and_a_line_where_the_first_cell_changes():
    section = Section(
        "n", "H", ["", ""], [("x", 1), ("x", 2), ("y", 3)], row_classes=["", "sure", "baseline"]
    )
    assert re.findall(r"<tr.*?>", body(section))[1:] == [
        '<tr class="first">',
        '<tr class="sure">',
        '<tr class="first baseline">',
    ]


def test_a_table_of_many_rows_scrolls():
    sections = [Section("n", "H", [""], [(number,) for number in range(n)]) for n in (24, 25)]
    assert ["scroll long" in body(section) for section in sections] == [False, True]


def test_figures_have_their_content_in_words_or_else_the_caption():
    figures = {"a": Picture("Caption of a.", b"png", "a: 0.5 & more"), "b": Picture("Caption of b.", b"png")}
    text = body(Section("n", "H", figures=figures))
    assert re.findall(r'alt="(.*?)"', text) == ["a: 0.5 &amp; more", "Caption of b."]
    assert "<table" not in text
