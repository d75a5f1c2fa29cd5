"""Tests of the sections of a page that several benchmarks write."""

import pytest

from benchmarks.sections import read_section, read_text, replace_section

FIRST = "# First\n\n## What it says\n\nOne.\n\n## Times\n\n2 s\n"
SECOND = "# Second\n\n## What it says\n\nTwo.\n"


@pytest.mark.parametrize("title", ["First", "Second"])
def test_writing_a_section_keeps_the_other(title):
    page = replace_section(replace_section("", "First", FIRST), "Second", SECOND)
    assert page == f"{FIRST}\n{SECOND}"
    new_page = replace_section(page, title, f"# {title}\n\nNew.\n")
    assert read_section(new_page, title).strip() == f"# {title}\n\nNew."
    other = {"First": "Second", "Second": "First"}[title]
    assert read_section(new_page, other).strip() == read_section(page, other).strip()


def test_writing_the_same_section_again_changes_nothing():
    page = f"{FIRST}\n{SECOND}"
    assert replace_section(page, "First", read_section(page, "First")) == page
    assert replace_section(page, "Second", read_section(page, "Second")) == page


def test_handwritten_text_is_that_of_its_section():
    page = f"{FIRST}\n{SECOND}"
    assert read_text(read_section(page, "First"), "What it says") == "One."
    assert read_text(read_section(page, "Second"), "What it says") == "Two."
    assert read_text(read_section(page, "Third"), "What it says") == ""
