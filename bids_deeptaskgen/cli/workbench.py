"""The workbench: ``deeptaskgen VERB``."""

import sys
from collections.abc import Sequence

from bids_deeptaskgen.cli.main import Command, guarded, run_command
from bids_deeptaskgen.cli.parser import Parser, from_namespace, to_argv
from bids_deeptaskgen.settings import (
    DemoSettings,
    EvaluateSettings,
    FinetuneSettings,
    ModelsFetchSettings,
    ModelsImportSettings,
    ModelsInfoSettings,
    ModelsListSettings,
    ModelsNewSettings,
    PredictSettings,
    SimulateSettings,
    TrainSettings,
)

PROG = "deeptaskgen"

VERBS = {
    "demo": Command("bids_deeptaskgen.commands.demo:run", DemoSettings),
    "simulate": Command("bids_deeptaskgen.commands.simulate:run", SimulateSettings),
    "predict": Command("bids_deeptaskgen.commands.predict:run", PredictSettings),
    "train": Command("bids_deeptaskgen.commands.train:run", TrainSettings),
    "finetune": Command("bids_deeptaskgen.commands.finetune:run", FinetuneSettings),
    "evaluate": Command("bids_deeptaskgen.commands.evaluate:run", EvaluateSettings),
    "models list": Command("bids_deeptaskgen.commands.models.list:run", ModelsListSettings),
    "models fetch": Command("bids_deeptaskgen.commands.models.fetch:run", ModelsFetchSettings),
    "models info": Command("bids_deeptaskgen.commands.models.info:info", ModelsInfoSettings),
    "models new": Command("bids_deeptaskgen.commands.models.new:run", ModelsNewSettings),
    "models import": Command(
        "bids_deeptaskgen.commands.models.import_checkpoint:import_checkpoint", ModelsImportSettings
    ),
}

# A verb of two words lies in a group, which has a help line of its own.
GROUPS = {"models": "List, fetch, inspect and make models."}


def make_parser() -> Parser:
    """Make the parser of all verbs."""
    parser = Parser(prog=PROG, description="Try, inspect and prepare what bids-deeptaskgen runs with.")
    parser.add_settings()
    places = {"": parser.add_subparsers(metavar="VERB", required=True)}
    for verb, command in VERBS.items():
        group, _, last = verb.rpartition(" ")
        if group not in places:
            inner = places[""].add_parser(group, help=GROUPS[group], description=GROUPS[group])
            inner.add_settings()
            places[group] = inner.add_subparsers(metavar="VERB", required=True)
        text = command.settings.__doc__
        leaf = places[group].add_parser(last, help=text, description=text)
        leaf.add_settings(command.settings)
        leaf.set_defaults(chosen_verb=verb)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb of the workbench.

    Parameters
    ----------
    argv : sequence of str or None
        Words of the command line after the program's name; None takes those of this process.

    Returns
    -------
    int
        Exit code.
    """
    return guarded(PROG, lambda: _work(sys.argv[1:] if argv is None else argv))


def _work(argv: Sequence[str]) -> int:
    given = make_parser().parse_args(argv)
    command = VERBS[given.chosen_verb]
    settings = from_namespace(command.settings, given)
    return run_command(command, settings, [PROG, *given.chosen_verb.split(), *to_argv(settings)])
