"""The BIDS App: ``bids-deeptaskgen BIDS_DIR OUTPUT_DIR {participant,group}``."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from bids_deeptaskgen.cli.main import Command, run_command, run_with_exit_code
from bids_deeptaskgen.cli.parser import Parser, from_namespace
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.command_line import to_argv
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings

PROG = "bids-deeptaskgen"

LEVELS = {
    "participant": Command("bids_deeptaskgen.commands.participant", ParticipantSettings),
    "group": Command("bids_deeptaskgen.commands.group", GroupSettings),
}

# Options of other BIDS Apps that scripts may pass, and why they have no effect here.
NO_OPS = {
    "--skip-bids-validation": "datasets are not validated; each file is checked when it is used",
    "--notrack": "no data are sent to any server",
}


def make_parser() -> Parser:
    """Create the parser of both analysis levels."""
    levels = "{" + ",".join(LEVELS) + "}"
    group_flags = ", ".join(spec.flag for spec in option_specs(GroupSettings) if not spec.option.positional)
    parser = Parser(
        prog=PROG,
        usage=f"%(prog)s BIDS_DIR OUTPUT_DIR {levels} [options]",
        description="Predict task-contrast maps from resting-state fMRI preprocessed with fMRIPrep.",
        epilog=f"Options may be written with - or _. The group level accepts {group_flags} only. Exit codes: "
        "0 success, 1 a participant failed, 2 usage error, 3 no participant has usable input, 70 internal "
        "error, 143 terminated.",
    )
    parser.add_settings(*(command.settings for command in LEVELS.values()))
    parser.add_argument(
        "analysis_level",
        choices=tuple(LEVELS),
        metavar=levels,
        help="compute the maps of each participant, or average them",
    )
    add = partial(
        parser.group("conventions").add_argument,
        action="append_const",
        dest="no_ops",
        default=argparse.SUPPRESS,
    )
    for flag, reason in NO_OPS.items():
        add(flag, const=flag, help=f"no effect: {reason}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the BIDS App.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments after the program's name; None uses those of this process.

    Returns
    -------
    int
        Exit code.
    """
    return run_with_exit_code(PROG, lambda: _work(sys.argv[1:] if argv is None else argv))


def _work(argv: Sequence[str]) -> int:
    arguments = make_parser().parse_args(argv)
    level = arguments.analysis_level
    command = LEVELS[level]
    _check_level(arguments, level)
    settings = from_namespace(command.settings, arguments)
    notes = [f"{flag} has no effect: {NO_OPS[flag]}." for flag in getattr(arguments, "no_ops", ())]
    return run_command(command, settings, [PROG, *to_argv(settings, level)], notes)


def _check_level(arguments: argparse.Namespace, level: str) -> None:
    """Refuse options of the other level, so that users do not believe that they have an effect."""
    names = {spec.name for spec in option_specs(LEVELS[level].settings)}
    all_flags = {
        spec.name: spec.flag for command in LEVELS.values() for spec in option_specs(command.settings)
    }
    foreign_flags = [
        flag for name, flag in all_flags.items() if name in vars(arguments) and name not in names
    ]
    if foreign_flags:
        flags = ", ".join(flag for name, flag in all_flags.items() if name in names and flag.startswith("--"))
        message = f"{', '.join(foreign_flags)}: not an option of the {level} level, which accepts {flags}."
        raise UserError(message)
