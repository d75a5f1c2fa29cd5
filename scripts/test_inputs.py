"""Thousands of altered datasets: ``python scripts/test_inputs.py [PYTEST_ARGUMENT ...]``.

The tests in ``tests/inputs`` alter a simulated dataset at random, and compare the result of the app with that
of the unaltered dataset. This script runs them with many examples, and writes a table of the outcomes by
alteration to ``test-results/inputs.md``. Variables of the environment set other numbers of examples.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "test-results"
# Readers and preflight, whole runs to maps, and averages of altered maps.
EXAMPLES = {"READER_EXAMPLES": "5000", "RUN_EXAMPLES": "300", "GROUP_EXAMPLES": "300"}
# Tests that pytest may run side by side.
N_PARTS = "4"


def main(arguments: list[str]) -> int:
    """Run the tests, write and print the table, and return the exit code of pytest."""
    sys.path.insert(0, str(ROOT))
    from tests.inputs.tally import report_of

    folder = RESULTS / "inputs"
    for path in folder.glob("*.json"):
        path.unlink()
    variables = EXAMPLES | {"INPUT_PARTS": N_PARTS} | os.environ | {"INPUT_REPORT": str(folder)}
    command = [sys.executable, "-m", "pytest", *arguments, str(ROOT / "tests" / "inputs")]
    exit_code = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
    report = report_of(sorted(folder.glob("*.json")))
    path = RESULTS / "inputs.md"
    path.write_text(report, "utf-8")
    print(f"{report}\nThis table is in {path}.")
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
