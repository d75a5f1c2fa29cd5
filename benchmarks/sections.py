"""Sections of a page in Markdown that several benchmarks write, each its own.

A section begins with a line ``# TITLE`` and ends before the next line that begins with ``# ``.
"""


def read_section(page: str, title: str) -> str:
    r"""Return a section of a page, its title included; empty if the page has no such section.

    Parameters
    ----------
    page : str
        Markdown.
    title : str
        Text of the section's title, without ``# ``.

    Returns
    -------
    str

    Examples
    --------
    >>> read_section("# A\none\n# B\ntwo\n", "A")
    '# A\none\n'
    """
    _, section, _ = _divide(page, title)
    return section


def replace_section(page: str, title: str, section: str) -> str:
    r"""Replace a section of a page, or append it; all other sections stay as they are.

    Parameters
    ----------
    page : str
        Markdown; may be empty.
    title : str
        Text of the section's title, without ``# ``.
    section : str
        New section, which begins with ``# TITLE``.

    Returns
    -------
    str

    Examples
    --------
    >>> replace_section("# A\none\n\n# B\ntwo\n", "A", "# A\nthree\n")
    '# A\nthree\n\n# B\ntwo\n'
    """
    parts = _divide(page, title)
    return "\n\n".join(part.strip("\n") for part in (parts[0], section, parts[2]) if part.strip()) + "\n"


def read_text(section: str, heading: str) -> str:
    r"""Return the text below a heading ``## HEADING`` of a section, up to the next such heading.

    Parameters
    ----------
    section : str
        See `read_section`.
    heading : str
        Text of the heading, without ``## ``.

    Returns
    -------
    str
        Without blank lines around; empty if there is no such heading.

    Examples
    --------
    >>> read_text("# A\n## What it says\nMuch.\n\n## Times\n", "What it says")
    'Much.'
    """
    after = f"\n{section}".partition(f"\n## {heading}\n")[2]
    return f"\n{after}".partition("\n## ")[0].strip()


def _divide(page: str, title: str) -> tuple[str, str, str]:
    """Divide a page into the parts before, in and after a section."""
    lines = page.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith("# ")]
    titles = [lines[number].removeprefix("# ").strip() for number in starts]
    if title not in titles:
        return page, "", ""
    index = titles.index(title)
    start, end = starts[index], [*starts, len(lines)][index + 1]
    return "".join(lines[:start]), "".join(lines[start:end]), "".join(lines[end:])
