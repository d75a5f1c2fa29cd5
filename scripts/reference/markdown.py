"""Markdown of generated pages."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

# Follows the title of each generated page.
NOTICE = "<!-- `make reference` writes this page. Do not edit it. -->"
# Words that are code, not prose: options, names with underscores, files, placeholders.
_CODE = re.compile(
    r"^(--?[a-z][\w-]*(=\S+)?|\S*[_*<>\[\]{}@]\S*|\S+\.(tsv|json|csv|html|py|md|npy|nii|gz|toml|mat|zarr)|[a-z]+-)$"
)
_EDGES = re.compile(r"^(['\"(]*)(.*?)([,.;:)'\"]*)$")


_TEXTS = Path(__file__).with_name("texts")


def read_text(name: str) -> str:
    """Read a block of a page that is written by hand, from the folder ``texts``."""
    return (_TEXTS / f"{name}.md").read_text("utf-8").strip()


def join_blocks(*blocks: str) -> str:
    """Join the blocks of a page with empty lines; empty blocks are left out."""
    return "\n\n".join(block for block in blocks if block) + "\n"


def mark_code(text: str) -> str:
    """Put words that are code into code quotes, so that Markdown does not change them.

    Parameters
    ----------
    text : str
        Plain text, for example the help text of an option. Text in code quotes stays as it is.

    Returns
    -------
    str

    Examples
    --------
    >>> mark_code("of --task-id, in participants.tsv (see sub-*)")
    'of `--task-id`, in `participants.tsv` (see `sub-*`)'
    """
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _mark_words(part) for part in parts)


def _mark_words(text: str) -> str:
    return "".join(word if word.isspace() else _mark_word(word) for word in re.split(r"(\s+)", text))


def _mark_word(word: str) -> str:
    match = _EDGES.match(word)
    if not match or not match[2]:
        return word
    before, middle, after = match.groups()
    if middle.count("(") > middle.count(")") and after.startswith(")"):
        middle, after = f"{middle})", after[1:]
    return f"{before}`{middle}`{after}" if _CODE.match(middle) else word


def sentence(text: str) -> str:
    """Return a text with an upper-case first letter and a full stop.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> sentence("number of windows"), sentence("`--a` is used.")
    ('Number of windows.', '`--a` is used.')
    """
    first_word = text.partition(" ")[0]
    # The name of a product or a preset keeps its letters.
    is_plain = first_word.strip(",.;:").islower() and not first_word.startswith("`")
    text = text[0].upper() + text[1:] if is_plain else text
    return text if text.endswith((".", "?", ":")) else f"{text}."


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequence of str
        Cells; a vertical bar in a cell is escaped.

    Returns
    -------
    str
        Empty without rows.
    """
    lines = [_row(row) for row in rows]
    return "\n".join([_row(header), "|" + "---|" * len(header), *lines]) if lines else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
