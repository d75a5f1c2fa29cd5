"""Pages of the command line: an overview, and one page for each command."""

import argparse
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.cli.parser import Parser
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from scripts.reference.markdown import NOTICE, join_blocks, mark_code, read_text, sentence, table


class _Page(NamedTuple):
    """Command that has a page.

    Attributes
    ----------
    words : str
        Words of the command line up to the verb.
    parser : Parser
    settings : type
        Its settings class.
    all_settings : tuple of type
        Settings classes of the parser.
    synopsis_tail : str
        Positional word that follows the arguments.
    """

    words: str
    parser: Parser
    settings: type[Settings]
    all_settings: tuple[type[Settings], ...]
    synopsis_tail: str = ""

    @property
    def title(self) -> str:
        """Return the name of the command."""
        return f"{self.words} {self.synopsis_tail}".rstrip()

    @property
    def name(self) -> str:
        """Return the name of the page."""
        return (self.synopsis_tail or self.words.partition(" ")[2]).replace(" ", "_").replace("-", "_")


def command_pages() -> dict[str, str]:
    """Return the page of each command, by its name without ``.md``."""
    return {page.name: _command_page(page) for page in _pages()}


def overview_page() -> str:
    """Return the page that lists the commands."""
    pages = list(_pages())
    parts = (
        ("The BIDS App", [page for page in pages if page.words == app.PROG]),
        ("The workbench", [page for page in pages if page.words != app.PROG]),
    )
    toctree = "\n".join(["```{toctree}", ":hidden:", *(f"commands/{page.name}" for page in pages), "```"])
    return join_blocks(
        "# Command line",
        NOTICE,
        read_text("commands"),
        *(block for title, members in parts for block in (f"## {title}", _overview_table(members))),
        read_text("command_rules"),
        read_text("environment_variables"),
        toctree,
    )


def _overview_table(pages: Iterable[_Page]) -> str:
    rows = [
        (f"[`{page.title}`](commands/{page.name}.md)", mark_code(_first_line(page.settings.__doc__)))
        for page in pages
    ]
    return table(("command", "what it does"), rows)


def _pages() -> Iterator[_Page]:
    parser = app.make_parser()
    levels = tuple(command.settings for command in app.LEVELS.values())
    for level, command in app.LEVELS.items():
        yield _Page(app.PROG, parser, command.settings, levels, level)
    root = workbench.make_parser()
    for verb, command in workbench.VERBS.items():
        leaf = root
        for word in verb.split():
            leaf = _subparser(leaf, word)
        yield _Page(f"{workbench.PROG} {verb}", leaf, command.settings, (command.settings,))


def _subparser(parser: Parser, word: str) -> Parser:
    (action,) = (item for item in parser._actions if isinstance(item, argparse._SubParsersAction))
    choices: dict[str, Parser] = action.choices
    return choices[word]


def _command_page(page: _Page) -> str:
    specs = {spec.name: spec for spec in option_specs(page.settings)}
    return join_blocks(
        f"# {page.title}",
        NOTICE,
        mark_code(_first_line(page.settings.__doc__)),
        _synopsis(page, specs.values()),
        *_sections(page, specs),
        "The [exit codes](../exit_codes.md) are those of all commands. The [overview](../command_line.md) "
        "has the rules that all options follow.",
    )


def _synopsis(page: _Page, specs: Iterable[OptionSpec]) -> str:
    arguments = [
        spec.flag if spec.is_required else f"[{spec.flag}]" for spec in specs if spec.option.positional
    ]
    required = [
        f"{spec.flag} {_metavar(page.parser, spec.name)}"
        for spec in specs
        if spec.is_required and not spec.option.positional
    ]
    words = [page.words, *arguments, page.synopsis_tail, *required, "[options]"]
    return "```text\n" + " ".join(word for word in words if word) + "\n```"


def _metavar(parser: Parser, name: str) -> str:
    (action,) = (item for item in parser._actions if item.dest == name)
    return str(action.metavar)


def _sections(page: _Page, specs: dict[str, OptionSpec]) -> Iterator[str]:
    """Yield headings and options in the order of ``--help``, without those of the other level."""
    foreign = {spec.name for kind in page.all_settings for spec in option_specs(kind)} - set(specs)
    for group in page.parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.dest not in foreign and not isinstance(action, argparse._SubParsersAction)
        ]
        if not actions:
            continue
        title = "arguments" if group.title == "positional arguments" else str(group.title)
        yield f"## {title[0].upper()}{title[1:]}"
        for action in actions:
            if action.dest == "analysis_level":
                yield from (f"### `{page.synopsis_tail}`", "The analysis level.")
            else:
                yield from _describe(action, specs.get(action.dest))


def _describe(action: argparse.Action, spec: OptionSpec | None) -> Iterator[str]:
    """Yield heading, spellings, help text and facts of an option or argument."""
    flags = sorted(action.option_strings, key=lambda flag: not flag.startswith("--"))
    if spec and not spec.option.positional:
        flags = [spec.flag, *(flag for flag in flags if flag != spec.flag)]
    yield f"### `{flags[0] if flags else action.metavar}`"
    help_text = spec.option.help if spec else str(action.help)
    yield sentence(mark_code(help_text))
    facts = list(_facts(action, spec, flags))
    if facts:
        yield "\n".join(f"- {name}: {value}" for name, value in facts)


def _facts(action: argparse.Action, spec: OptionSpec | None, flags: list[str]) -> Iterator[tuple[str, str]]:
    if flags[1:]:
        yield "also", ", ".join(f"`{flag}`" for flag in flags[1:])
    if spec is None:
        if isinstance(action.metavar, str) and flags:
            yield "value", f"`{action.metavar}`"
        return
    if spec.kind is not bool and not spec.option.count:
        yield "value", _value(action, spec)
    if spec.is_required:
        yield "required", "yes, here or in the settings file" if flags else "yes"
    elif default := _default(spec):
        yield "default", default
    if spec.option.from_file:
        yield "from a file", "`@FILE` stands for the lines of the file"
    if spec.option.affects_output:
        yield "changes the maps", "yes"


def _value(action: argparse.Action, spec: OptionSpec) -> str:
    if spec.option.choices:
        expected = "one of " + ", ".join(f"`{choice}`" for choice in spec.option.choices)
    else:
        expected = mark_code(spec.expected)
    is_named = not spec.option.choices and not spec.option.positional and expected != f"`{action.metavar}`"
    words = f"`{action.metavar}`, {expected}" if is_named else expected
    return f"{words}; several values are possible" if spec.is_tuple else words


def _default(spec: OptionSpec) -> str:
    if spec.kind is bool or spec.option.count:
        return "on" if spec.default is True else ""
    text = spec.default_text
    is_value = spec.default is not None and spec.default != ()
    return f"`{text}`" if is_value and " " not in text else mark_code(text)


def _first_line(docstring: str | None) -> str:
    return (docstring or "").partition("\n")[0]
