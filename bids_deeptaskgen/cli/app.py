"""The BIDS App: ``bids-deeptaskgen BIDS_DIR OUTPUT_DIR {participant,group}``."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from bids_deeptaskgen.cli.main import Command, run_command, run_with_exit_code
from bids_deeptaskgen.cli.parser import Parser, from_namespace, to_argv
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings

PROG = "bids-deeptaskgen"

LEVELS = {
    "participant": Command("bids_deeptaskgen.commands.participant", ParticipantSettings),
    "group": Command("bids_deeptaskgen.commands.group", GroupSettings),
}

# What scripts for other BIDS Apps pass, and why it changes nothing here.
NO_OPS = {
    "--skip-bids-validation": "the dataset is never validated; each file is checked when it is used",
    "--notrack": "nothing is ever sent to anybody",
}


def make_parser() -> Parser:
    """Make the parser of both analysis levels."""
    levels = "{" + ",".join(LEVELS) + "}"
    group_flags = ", ".join(one.flag for one in option_specs(GroupSettings) if not one.option.positional)
    parser = Parser(
        prog=PROG,
        usage=f"%(prog)s BIDS_DIR OUTPUT_DIR {levels} [options]",
        description="Predict task-contrast maps from resting-state fMRI that fMRIPrep has preprocessed.",
        epilog=f"Options may be written with - or _. The group level takes {group_flags} only. Exit codes: 0 "
        "all done, 1 somebody failed, 2 usage, 3 nobody had usable input, 70 internal error, 143 terminated.",
    )
    parser.add_settings(*(command.settings for command in LEVELS.values()))
    parser.add_argument(
        "analysis_level", choices=tuple(LEVELS), metavar=levels, help="do each person, or join those done"
    )
    add = partial(
        parser.titled("conventions").add_argument,
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
        Words of the command line after the program's name; None takes those of this process.

    Returns
    -------
    int
        Exit code.
    """
    return run_with_exit_code(PROG, lambda: _work(sys.argv[1:] if argv is None else argv))


def _work(argv: Sequence[str]) -> int:
    given = make_parser().parse_args(argv)
    level = given.analysis_level
    command = LEVELS[level]
    _refuse_foreign(given, level)
    settings = from_namespace(command.settings, given)
    notes = [f"{flag} has no effect: {NO_OPS[flag]}." for flag in getattr(given, "no_ops", ())]
    return run_command(command, settings, [PROG, *to_argv(settings, level)], notes)


def _refuse_foreign(given: argparse.Namespace, level: str) -> None:
    """Refuse options that another level has and this one has not: silence would say that they were obeyed."""
    ours = {one.name for one in option_specs(LEVELS[level].settings)}
    all_flags = {one.name: one.flag for command in LEVELS.values() for one in option_specs(command.settings)}
    foreign = [flag for name, flag in all_flags.items() if name in vars(given) and name not in ours]
    if foreign:
        known = ", ".join(flag for name, flag in all_flags.items() if name in ours and flag.startswith("--"))
        message = f"{', '.join(foreign)}: not for the {level} level, which takes {known}."
        raise UserError(message)
