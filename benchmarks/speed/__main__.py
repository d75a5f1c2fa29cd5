"""Command line of the speed benchmarks: ``python -m benchmarks.speed OUT``."""

import sys
from collections.abc import Sequence

from benchmarks.speed.settings import BenchmarkSettings
from bids_deeptaskgen.cli.main import Command, run_command, run_with_exit_code
from bids_deeptaskgen.cli.parser import Parser, from_namespace
from bids_deeptaskgen.settings.command_line import to_argv

PROG = "benchmarks.speed"
COMMAND = Command("benchmarks.speed.run", BenchmarkSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks selected on the command line and return the exit code."""
    return run_with_exit_code(PROG, lambda: _work(sys.argv[1:] if argv is None else argv))


def _work(argv: Sequence[str]) -> int:
    parser = Parser(prog=f"python -m {PROG}", description=BenchmarkSettings.__doc__)
    parser.add_settings(BenchmarkSettings)
    settings = from_namespace(BenchmarkSettings, parser.parse_args(argv))
    return run_command(COMMAND, settings, ["python", "-m", PROG, *to_argv(settings)])


if __name__ == "__main__":
    sys.exit(main())
