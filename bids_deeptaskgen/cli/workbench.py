"""Workbench: ``deeptaskgen VERB``."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bids_deeptaskgen.cli.main import Command, run_command, run_with_exit_code
from bids_deeptaskgen.cli.parser import Parser, from_namespace
from bids_deeptaskgen.settings import (
    biomarkers,
    evaluation,
    export,
    known_faults,
    models,
    prediction,
    simulation,
    store,
    training,
)
from bids_deeptaskgen.settings.command_line import to_argv

PROG = "deeptaskgen"


class Group(NamedTuple):
    """Verbs of two words with the same first word.

    Attributes
    ----------
    help : str
    verbs : dict of str to Command
        Commands by second word.
    """

    help: str
    verbs: dict[str, Command]


_HOME = "bids_deeptaskgen.commands"
# Registry of all verbs.
TABLE: dict[str, Command | Group] = {
    "demo": Command(f"{_HOME}.demo", simulation.DemoSettings),
    "simulate": Command(f"{_HOME}.simulate", simulation.SimulateSettings),
    "predict": Command(f"{_HOME}.predict", prediction.PredictSettings),
    "train": Command(f"{_HOME}.train", training.TrainSettings),
    "finetune": Command(f"{_HOME}.finetune", training.FinetuneSettings),
    "evaluate": Command(f"{_HOME}.evaluate", evaluation.EvaluateSettings),
    "biomarkers": Command(f"{_HOME}.biomarkers", biomarkers.BiomarkersSettings),
    "known-faults": Command(f"{_HOME}.known_faults", known_faults.KnownFaultsSettings),
    "export": Group(
        "Export results for other programs.",
        {
            "pcntoolkit": Command(f"{_HOME}.export.pcntoolkit", export.ExportPcntoolkitSettings),
            "junifer": Command(f"{_HOME}.export.junifer", export.ExportJuniferSettings),
            "nipoppy": Command(f"{_HOME}.export.nipoppy", export.ExportNipoppySettings),
        },
    ),
    "models": Group(
        "List, download, inspect and create models.",
        {
            "list": Command(f"{_HOME}.models.list", models.ModelsListSettings),
            "fetch": Command(f"{_HOME}.models.fetch", models.ModelsFetchSettings),
            "info": Command(f"{_HOME}.models.info", models.ModelsInfoSettings),
            "new": Command(f"{_HOME}.models.new", models.ModelsNewSettings),
            "import": Command(f"{_HOME}.models.import_checkpoint", models.ModelsImportSettings),
        },
    ),
    "store": Group(
        "Write, check and describe cohort stores.",
        {
            "pack": Command(f"{_HOME}.store.pack", store.StorePackSettings),
            "check": Command(f"{_HOME}.store.check", store.StoreCheckSettings),
            "info": Command(f"{_HOME}.store.info", store.StoreInfoSettings),
        },
    ),
}


def _all_verbs() -> Iterator[tuple[str, Command]]:
    for name, entry in TABLE.items():
        if isinstance(entry, Group):
            yield from ((f"{name} {last}", command) for last, command in entry.verbs.items())
        else:
            yield name, entry


# Commands by all words of their verb.
VERBS = dict(_all_verbs())


def make_parser() -> Parser:
    """Create the parser of all verbs."""
    parser = Parser(
        prog=PROG, description="Create, train, evaluate and inspect the models of bids-deeptaskgen."
    )
    parser.add_settings()
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, entry in TABLE.items():
        text = entry.help if isinstance(entry, Group) else entry.settings.__doc__
        leaf = verbs.add_parser(name, help=text, description=text)
        if isinstance(entry, Group):
            leaf.add_settings()
            inner = leaf.add_subparsers(metavar="VERB", required=True)
            for last, command in entry.verbs.items():
                text = command.settings.__doc__
                _add_options(inner.add_parser(last, help=text, description=text), f"{name} {last}")
        else:
            _add_options(leaf, name)
    return parser


def _add_options(parser: Parser, verb: str) -> None:
    parser.add_settings(VERBS[verb].settings)
    parser.set_defaults(chosen_verb=verb)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb of the workbench.

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
    command = VERBS[arguments.chosen_verb]
    settings = from_namespace(command.settings, arguments)
    return run_command(command, settings, [PROG, *arguments.chosen_verb.split(), *to_argv(settings)])
