"""The settings dataclasses as command lines, both ways."""

import argparse
import copy
import difflib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bids_deeptaskgen.settings.base import AnySettings, Settings, make_settings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from bids_deeptaskgen.settings.toml_file import read_config_file
from bids_deeptaskgen.settings.value_types import AutoFloat, AutoInt

# Headings in the order of what one must do; conventions are what all have, and what is looked for last.
_GROUPS = ("options", "choose data", "choose model", "clean", "train", "run", "conventions")
_METAVARS = {int: "N", AutoInt: "{auto,N}", AutoFloat: "{auto,X}", Path: "PATH", str: "NAME"}


def version() -> str:
    """Give the version of the installed package."""
    from importlib import metadata  # a third of the time of --help, which does not need it

    try:
        return metadata.version("bids-deeptaskgen")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


class _Version(argparse.Action):
    """Print the version, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(parser.prog.split()[0], version())
        parser.exit()


class _Help(argparse.HelpFormatter):
    """All spellings of an option first, then its value once; what must be given without brackets."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        """Mark the options that must be given, on copies: a settings file may give them, too."""
        shown = [copy.copy(action) for action in actions]
        for action in shown:
            action.required = action.required or getattr(action, "has_no_default", False)
        super().add_usage(usage, shown, groups, prefix)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        spellings = ", ".join(action.option_strings)
        value = self._format_args(action, action.dest.upper()) if action.nargs != 0 else ""
        return f"{spellings} {value}".rstrip()


class Parser(argparse.ArgumentParser):
    """argparse's parser, which also takes `_` for `-` in option names and says what may have been meant.

    Abbreviations are refused: a script that uses one would break when an option is added.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, add_help=False, **more)
        self._titled: dict[str, argparse._ArgumentGroup] = {}

    def titled(self, title: str) -> argparse._ArgumentGroup:
        """Give the group of options under this heading, made at its first use."""
        if title not in self._titled:
            self._titled[title] = self.add_argument_group(title)
        return self._titled[title]

    def add_settings(self, *settings_classes: type[Settings]) -> None:
        """Add the options of settings classes; those that several have are added once."""
        options: dict[str, OptionSpec] = {}
        for one in (one for each in settings_classes for one in option_specs(each)):
            options.setdefault(one.name, one)
        # Sorting keeps the order otherwise.
        for one in sorted(options.values(), key=lambda one: _GROUPS.index(one.option.group)):
            self._add_option(one)
        conventions = self.titled("conventions")
        if settings_classes:
            conventions.add_argument(
                "--config-file",
                metavar="FILE",
                type=Path,
                default=argparse.SUPPRESS,
                help="TOML file of settings, such as each run leaves in its logs; the command line wins",
            )
        conventions.add_argument("-h", "--help", action="help", help="show this text")
        conventions.add_argument(
            "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="show the version"
        )

    def _add_option(self, one: OptionSpec) -> None:
        default = f" (default: {one.default_text})" if one.default_text else ""
        # argparse fills in what follows a percent sign.
        text = (one.option.help + default).replace("%", "%%")
        if one.option.positional:
            self.add_argument(one.name, metavar=one.flag, help=text)
            return
        # Short ones first.
        flags = sorted(one.flags, key=lambda flag: flag.startswith("--"))
        if one.option.count:
            kind: dict[str, Any] = {"action": "count"}
        elif one.kind is bool:
            on = one.default is True
            kind = {"action": argparse.BooleanOptionalAction if on else "store_true"}
        elif one.many:
            kind = {"action": "extend", "nargs": "+", "metavar": _metavar(one)}
        else:
            kind = {"metavar": _metavar(one)}
        # SUPPRESS: only what was given is in the namespace, so that defaults live in the dataclass alone.
        action = self.titled(one.option.group).add_argument(
            *flags, dest=one.name, default=argparse.SUPPRESS, help=text, **kind
        )
        # argparse itself must not ask for it: a settings file may give it. See `make_settings`.
        action.has_no_default = one.required

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and refuse what no option of this parser (and not of the one above) is meant by."""
        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given else len(given)
        known, unknown = super().parse_known_args(
            [*(self._with_dashes(text) for text in given[:end]), *given[end:]], namespace
        )
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._hint(unknown)}")
        return known, unknown

    def _with_dashes(self, text: str) -> str:
        name, equals, value = text.partition("=")
        dashed = name.replace("_", "-")
        return dashed + equals + value if dashed in self._option_string_actions else text

    def _hint(self, unknown: list[str]) -> str:
        names = [text.partition("=")[0].replace("_", "-") for text in unknown if text.startswith("--")]
        near = [match for name in names for match in self._near(name)]
        return f" (did you mean {', '.join(near)}?)" if near else ""

    def _near(self, name: str) -> list[str]:
        """Find the option that a name is the beginning of, or else the one that is spelt most like it."""
        begun = [flag for flag in self._option_string_actions if flag.startswith(name)]
        return begun[:1] or difflib.get_close_matches(name, self._option_string_actions, 1)


def _metavar(one: OptionSpec) -> str:
    if one.option.metavar:
        return one.option.metavar
    if one.option.choices:
        return "{" + ",".join(one.option.choices) + "}"
    return _METAVARS.get(one.kind) or (one.option.unit.upper() or "X")


def from_namespace(settings_class: type[AnySettings], namespace: argparse.Namespace) -> AnySettings:
    """Make settings of what a parser found, and of the settings file that it names.

    Raises
    ------
    UserError
        If a value is not legal, one that must be given is missing, or the file cannot be read.
    """
    names = {one.name for one in option_specs(settings_class)}
    given = {name: value for name, value in vars(namespace).items() if name in names}
    path = getattr(namespace, "config_file", None)
    return make_settings(
        settings_class, {**(read_config_file(settings_class, path) if path else {}), **given}
    )


def to_argv(settings: Settings, *level: str) -> list[str]:
    """Write the shortest command line that gives these settings.

    Parameters
    ----------
    settings : Settings
    level : str
        What follows the positional arguments.

    Returns
    -------
    list of str
    """
    values = [(one, getattr(settings, one.name)) for one in option_specs(settings)]
    positional = [one.show(value) for one, value in values if one.option.positional]
    options = [
        word
        for one, value in values
        if not one.option.positional and value != one.default
        for word in _words(one, value)
    ]
    return [*positional, *level, *options]


def _words(one: OptionSpec, value: object) -> list[str]:
    if one.option.count:
        return [one.flag] * int(str(value))
    if isinstance(value, bool):
        return [one.flag if value else "--no-" + one.flag.removeprefix("--")]
    items = value if one.many and isinstance(value, tuple) else (value,)
    # One word each, so that no value is taken for an option or for a positional argument.
    return [f"{one.flag}={one.show(item)}" for item in items]
