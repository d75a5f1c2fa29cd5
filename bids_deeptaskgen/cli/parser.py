"""Conversion of settings dataclasses to command lines, and of command lines to settings."""

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

# Headings, in the order of a user's decisions; conventions are common to all commands.
_HEADINGS = (
    "options",
    "choose data",
    "choose model",
    "clean",
    "train",
    "cross-validate",
    "differences between participants",
    "regions and cohort store",
    "run",
    "report",
    "conventions",
)
_METAVARS = {int: "N", AutoInt: "{auto,N}", AutoFloat: "{auto,X}", Path: "PATH", str: "NAME"}


def version() -> str:
    """Return the version of the installed package."""
    from importlib import metadata  # a third of the time of --help, which does not use it

    try:
        return metadata.version("bids-deeptaskgen")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


class _Version(argparse.Action):
    """Action that prints the version; it is read only when the option is used."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(parser.prog.split()[0], version())
        parser.exit()


class _SingleValue(argparse.Action):
    """Action of an option with one value, which refuses a second, different value.

    argparse keeps the last value without a word.
    """

    def __init__(self, *arguments: Any, spec: OptionSpec | None = None, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._spec = spec

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401
        option_string: str | None = None,
    ) -> None:
        """Store the value in the namespace."""
        first_value = getattr(namespace, self.dest, values)
        if first_value != values and self._converted(first_value) != self._converted(values):
            parser.error(
                f"argument {'/'.join(self.option_strings)}: given twice, as {_format_value(first_value)} "
                f"and as {_format_value(values)}; it takes one value"
            )
        setattr(namespace, self.dest, values)

    def _converted(self, value: object) -> object:
        return self._spec.convert(value) if self._spec else value


class _Switch(_SingleValue):
    """Action of an option without a value: ``--name``, and ``--no-name`` if the default is on."""

    def __init__(self, option_strings: Sequence[str], *, has_negation: bool = False, **more: Any) -> None:
        names = list(option_strings)
        if has_negation:
            names += [f"--no-{name.removeprefix('--')}" for name in option_strings if name.startswith("--")]
        super().__init__(names, nargs=0, **more)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        _values: Any,  # noqa: ANN401
        option_string: str | None = None,
    ) -> None:
        """Store True, or False for the negation."""
        value = not (option_string or "").startswith("--no-")
        super().__call__(parser, namespace, value, option_string)


def _format_value(value: object) -> str:
    """Format a value of the command line for a message."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else repr(value)


class _Help(argparse.HelpFormatter):
    """Formatter that shows all spellings of an option, then its value; required options without brackets."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        """Show required options without brackets, on copies: a settings file may set them as well."""
        copies = [copy.copy(action) for action in actions]
        for action in copies:
            action.required = action.required or getattr(action, "has_no_default", False)
        super().add_usage(usage, copies, groups, prefix)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        spellings = ", ".join(action.option_strings)
        value = self._format_args(action, action.dest.upper()) if action.nargs != 0 else ""
        return f"{spellings} {value}".rstrip()


class Parser(argparse.ArgumentParser):
    """Argument parser that accepts `_` for `-` in option names and suggests corrections of misspelt names.

    Abbreviations are refused: a script with one would break when an option is added.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, add_help=False, **arguments)
        self._groups: dict[str, argparse._ArgumentGroup] = {}

    def group(self, title: str) -> argparse._ArgumentGroup:
        """Return the group of options with a heading, which is added at its first use.

        Parameters
        ----------
        title : str
            Heading in the help text.

        Returns
        -------
        argparse group
        """
        if title not in self._groups:
            self._groups[title] = self.add_argument_group(title)
        return self._groups[title]

    def add_settings(self, *settings_classes: type[Settings]) -> None:
        """Add the options of settings classes; those that several classes share are added once.

        Parameters
        ----------
        settings_classes : type
            Subclasses of `Settings`. Without any, only ``--help`` and ``--version`` are added.
        """
        specs: dict[str, OptionSpec] = {}
        for settings_class in settings_classes:
            for spec in option_specs(settings_class):
                specs.setdefault(spec.name, spec)
        # Sorting is stable: within a heading, options keep the order of their fields.
        for spec in sorted(specs.values(), key=lambda spec: _HEADINGS.index(spec.option.group)):
            self._add_option(spec)
        conventions = self.group("conventions")
        if settings_classes:
            conventions.add_argument(
                "--config-file",
                metavar="FILE",
                action=_SingleValue,
                default=argparse.SUPPRESS,
                help="TOML file of settings, as in the logs of each run; the command line takes precedence",
            )
        conventions.add_argument("-h", "--help", action="help", help="show this text")
        conventions.add_argument(
            "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="show the version"
        )

    def _add_option(self, spec: OptionSpec) -> None:
        default = f" (default: {spec.default_text})" if spec.default_text else ""
        # argparse formats help texts with %.
        text = (spec.option.help + default).replace("%", "%%")
        if spec.option.positional:
            # Without SUPPRESS, argparse would set the default of an omitted argument.
            kind = {} if spec.is_required else {"nargs": "?", "default": argparse.SUPPRESS}
            self.add_argument(spec.name, metavar=spec.flag, help=text, **kind)
            return
        # Short flags first.
        flags = sorted(spec.flags, key=lambda flag: flag.startswith("--"))
        if spec.option.count:
            kind: dict[str, Any] = {"action": "count"}
        elif spec.kind is bool:
            kind = {"action": _Switch, "has_negation": spec.default is True}
        elif spec.is_tuple:
            kind = {"action": "extend", "nargs": "+", "metavar": _metavar(spec)}
        else:
            kind = {"action": _SingleValue, "spec": spec, "metavar": _metavar(spec)}
        # SUPPRESS: the namespace holds only options of the command line; the dataclass has the defaults.
        action: Any = self.group(spec.option.group).add_argument(
            *flags, dest=spec.name, default=argparse.SUPPRESS, help=text, **kind
        )
        # argparse must not require it, because a settings file may set it. See `make_settings`.
        action.has_no_default = spec.is_required

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments, and refuse those that are not options of this parser.

        Parameters
        ----------
        args : sequence of str or None
            Arguments; None uses those of this process.
        namespace : argparse.Namespace or None
            Namespace to fill; None creates one.

        Returns
        -------
        namespace : argparse.Namespace
        unknown : list of str
            Always empty; a subparser refuses its unknown arguments itself.
        """
        arguments = list(sys.argv[1:] if args is None else args)
        end = arguments.index("--") if "--" in arguments else len(arguments)
        filled_namespace, unknown_arguments = super().parse_known_args(
            [*(self._with_dashes(text) for text in arguments[:end]), *arguments[end:]], namespace
        )
        if unknown_arguments:
            hint = self._hint(unknown_arguments)
            self.error(f"unrecognized arguments: {' '.join(unknown_arguments)}{hint}")
        return filled_namespace, unknown_arguments

    def _with_dashes(self, text: str) -> str:
        name, equals, value = text.partition("=")
        dashed = name.replace("_", "-")
        return dashed + equals + value if dashed in self._option_string_actions else text

    def _hint(self, arguments: list[str]) -> str:
        names = [text.partition("=")[0].replace("_", "-") for text in arguments if text.startswith("--")]
        matches = [match for name in names for match in self._closest_flags(name)]
        return f" (did you mean {', '.join(matches)}?)" if matches else ""

    def _closest_flags(self, name: str) -> list[str]:
        """Find the option that starts with a name, or else the one with the most similar spelling."""
        completions = [flag for flag in self._option_string_actions if flag.startswith(name)]
        return completions[:1] or difflib.get_close_matches(name, self._option_string_actions, 1)


def _metavar(spec: OptionSpec) -> str:
    if spec.option.metavar:
        return spec.option.metavar
    if spec.option.choices:
        return "{" + ",".join(spec.option.choices) + "}"
    return _METAVARS.get(spec.kind) or (spec.option.unit.upper() or "X")


def from_namespace(settings_class: type[AnySettings], namespace: argparse.Namespace) -> AnySettings:
    """Build settings from parsed arguments, and from the settings file that they name.

    Parameters
    ----------
    settings_class : type
        Subclass of `Settings`.
    namespace : argparse.Namespace
        Arguments that `Parser` has parsed.

    Returns
    -------
    settings_class

    Raises
    ------
    UserError
        If a value is not legal, a required option is not set, or the settings file cannot be read.
    """
    names = {spec.name for spec in option_specs(settings_class)}
    values = {name: value for name, value in vars(namespace).items() if name in names}
    path = getattr(namespace, "config_file", None)
    of_file = {} if path is None else read_config_file(settings_class, path)
    return make_settings(settings_class, of_file | values)
