"""Page of the output files: patterns of names, and the fields of JSON files."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from bids_deeptaskgen.bids.output.quality_tables import describe_columns, describe_rois, describe_volumes
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.pipeline.agreement_files import AGREEMENT_COLUMNS
from scripts.reference.markdown import NOTICE, join_blocks, read_text, table

_FOLDER = Path(__file__).parent


class OutputFile(NamedTuple):
    """File that the program writes.

    Attributes
    ----------
    pattern : str
        Path in the folder of its section, with ``{label}`` for labels and ``*`` for anything.
    content, when : str
        What it holds; the condition under which it is written.
    fields : str
        Key of ``json_fields.json`` for the file, or for its sidecar; empty without one.
    """

    pattern: str
    content: str
    when: str
    fields: str

    @property
    def sidecar(self) -> str:
        """Return the pattern of the sidecar; the pattern itself for a JSON file."""
        return re.sub(r"(\.nii\.gz|\.tsv|\.npy|\.toml)$", ".json", self.pattern)


def output_sections() -> dict[str, tuple[str, list[OutputFile]]]:
    """Return introduction and files of each section of the page, by its title."""
    return {
        section["title"]: (section["text"], [_output_file(entry) for entry in section["files"]])
        for section in _read("output_files.json")
    }


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of the paths that a pattern describes.

    Parameters
    ----------
    pattern : str

    Returns
    -------
    re.Pattern

    Examples
    --------
    >>> bool(pattern_regex("{folder}/func/{name}_x.tsv").fullmatch("sub-1/func/sub-1_task-rest_x.tsv"))
    True
    """
    parts = {
        "{folder}": r"sub-[^/]+(?:/ses-[^/]+)?",
        "{name}": r"[^/]+?",
        "{run}": r"[^/]+",
        "*": r".*",
    }
    pieces = re.split(r"(\{\w+\}|\*)", pattern)
    return re.compile(
        "".join(
            parts.get(piece, r"[0-9A-Za-z+]+" if piece.startswith("{") else re.escape(piece))
            for piece in pieces
        )
    )


@cache
def json_fields(name: str) -> Mapping[str, str]:
    """Return the description of each field of a kind of JSON file.

    Parameters
    ----------
    name : str
        Key of ``json_fields.json``.

    Returns
    -------
    dict of str to str
        Fields of the included kinds come first.
    """
    entry = _read("json_fields.json")[name]
    included: dict[str, str] = {}
    for kind in entry.get("include", ()):
        included |= json_fields(kind)
    return included | entry["fields"]


def outputs_page() -> str:
    """Return the page."""
    return join_blocks(
        "# Output files",
        NOTICE,
        read_text("outputs"),
        *(block for title, section in output_sections().items() for block in _section(title, *section)),
        read_text("participant_tables"),
        *_participant_tables(),
        read_text("group_tables"),
        *_group_tables(),
        read_text("json_fields"),
        *_field_tables(),
    )


def _section(title: str, text: str, files: list[OutputFile]) -> Iterator[str]:
    titles = {name: entry["title"] for name, entry in _read("json_fields.json").items()}
    yield f"## {title}"
    yield text
    yield "\n\n".join(_definition(file, titles) for file in files)


def _definition(file: OutputFile, titles: Mapping[str, str]) -> str:
    fields = f" Fields: [{titles[file.fields]}](#{_slug(titles[file.fields])})." if file.fields else ""
    content = file.content[0].upper() + file.content[1:]
    return f"`{file.pattern}`\n: {content}. Written: {file.when}.{fields}"


def _participant_tables() -> Iterator[str]:
    verdict = describe_columns(("verdict", "warnings", "failures", "flags"))
    agreement = {
        name: {"Description": text.format(maps="of the maps")} for name, text in AGREEMENT_COLUMNS.items()
    }
    tables = {
        "qc_table.tsv": verdict,
        "qc_timeseries.tsv": describe_volumes(),
        "qc_rois.tsv": describe_rois(()),
        "agreement_contrasts.tsv": agreement,
    }
    for name, columns in tables.items():
        yield f"### `{name}`"
        yield table(
            ("column", "meaning"), ((f"`{key}`", _column_text(item)) for key, item in columns.items())
        )


def _column_text(column: Mapping[str, Any]) -> str:
    """Return description, unit and levels of a column."""
    unit = column.get("Units", "1")
    levels = "; ".join(f"{value}: {text}" for value, text in column.get("Levels", {}).items())
    text = re.sub(r"docs/reference/(\w+)\.md", r"[\1](\1.md)", column["Description"])
    parts = [text, "" if unit == "1" else f"Unit: {unit}.", f"{levels}." if levels else ""]
    return " ".join(part for part in parts if part)


def _group_tables() -> Iterator[str]:
    patterns = load_table("outputs.json")["patterns"]
    for kind, words in load_table("group_tables.json").items():
        if kind == "about":
            continue
        yield f"### `{patterns[kind].rpartition('}_')[2].rpartition('/')[2]}`"
        yield str(words["Description"])
        yield table(
            ("column", "meaning"),
            ((f"`{name}`", text) for name, text in words.items() if name != "Description"),
        )


def _field_tables() -> Iterator[str]:
    entries = _read("json_fields.json")
    for entry in entries.values():
        yield f"### {entry['title']}"
        included = [entries[kind]["title"] for kind in entry.get("include", ())]
        links = ", ".join(f"[{title}](#{_slug(title)})" for title in included)
        yield f"In addition to: {links}." if links else ""
        yield table(("field", "meaning"), ((f"`{key}`", text) for key, text in entry["fields"].items()))


def _output_file(entry: Mapping[str, str]) -> OutputFile:
    outputs = load_table("outputs.json")
    if "kind" in entry:
        pattern = outputs["patterns"][entry["kind"]]
    else:
        part = next((name for name in ("evaluation", "biomarkers") if name in entry), None)
        pattern = outputs[part][entry[part]] if part else entry["pattern"]
    return OutputFile(pattern, entry["content"], entry["when"], entry.get("fields", ""))


def _slug(title: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@cache
def _read(name: str) -> Any:  # noqa: ANN401
    return json.loads((_FOLDER / name).read_text("utf-8"))
