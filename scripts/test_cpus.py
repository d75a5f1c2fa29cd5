"""Run the numerical tests as if on other processors: ``python scripts/test_cpus.py [PYTEST_ARGUMENT ...]``.

Each variant limits the instructions that one library chooses its kernels by. Other kernels add up in another
order and round at other places, so a test that passes by chance on one processor fails under some variant.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]

# The tests whose numbers come out of torch, BLAS or oneDNN: the network, training, statistics, connectomes,
# simulation, and the commands and whole runs that use them. The others read and write files, parse settings,
# names and messages, or fetch, which no kernel takes part in.
NUMERICAL = (
    "nn",
    "training",
    "stats",
    "connectome",
    "simulation",
    "evaluation",
    "models",
    "commands",
    "workflow",
    "pipeline",
    "test_orientation.py",
    "test_stored.py",
)
CAPABILITIES = ("DEFAULT", "AVX2", "AVX512")


@dataclass(frozen=True)
class Outcome:
    """Result of the tests under one variant.

    Attributes
    ----------
    passed, failed : int
        Number of tests; errors of fixtures count as failed.
    seconds : float
    exit_code : int
        Of pytest.
    failures : tuple of str
        Names of the tests that failed.
    """

    passed: int
    failed: int
    seconds: float
    exit_code: int
    failures: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether tests ran and none failed."""
        return self.exit_code == 0 and self.passed > 0 and self.failed == 0


def variants() -> dict[str, dict[str, str]]:
    """Return the environment of each variant; instruction sets that this processor lacks are left out."""
    import torch

    n_known = CAPABILITIES.index(torch.backends.cpu.get_cpu_capability()) + 1
    chosen = {"as it is": {}}
    # Kernels of torch itself: elementwise functions, sums, batch normalisation.
    for capability in CAPABILITIES[:n_known]:
        chosen[f"torch {capability.lower()}"] = {"ATEN_CPU_CAPABILITY": capability.lower()}
    # Convolutions, and everything in bfloat16.
    for isa in ("SSE41", "AVX2")[:n_known]:
        chosen[f"oneDNN {isa}"] = {"ONEDNN_MAX_CPU_ISA": isa}
    # Matrix products of numpy and scipy (OpenBLAS), and of torch (MKL).
    chosen["BLAS SSE4"] = {"OPENBLAS_CORETYPE": "Nehalem", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
    if n_known > 1:
        chosen["BLAS AVX2"] = {"OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    return chosen


def run_tests(environment: dict[str, str], arguments: list[str]) -> Outcome:
    """Run pytest in a process of its own, with changes to the environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
        began = time.monotonic()
        exit_code = subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode
        seconds = time.monotonic() - began
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    # A test and its teardown may fail both; it counts once.
    failures = dict.fromkeys(name_of(case) for case in cases if has(case, "failure", "error"))
    passed = {name_of(case) for case in cases if not has(case, "failure", "error", "skipped")}
    return Outcome(len(passed - failures.keys()), len(failures), seconds, exit_code, tuple(failures))


def has(case: ElementTree.Element, *tags: str) -> bool:
    """Whether a test case of a report has one of some elements."""
    return any(case.find(tag) is not None for tag in tags)


def name_of(case: ElementTree.Element) -> str:
    """Return module and name of a test case of a report."""
    return f"{case.get('classname')}::{case.get('name')}"


def table(outcomes: dict[str, Outcome]) -> str:
    """Format the outcomes, a row for each variant, and the names of the tests that failed."""
    rows = [f"{'variant':<14}{'passed':>8}{'failed':>8}{'seconds':>9}"]
    for variant, outcome in outcomes.items():
        row = f"{variant:<14}{outcome.passed:>8}{outcome.failed:>8}{outcome.seconds:>9.0f}"
        odd = not outcome.good and not outcome.failed
        rows.append(row + (f"  no result: pytest ended with exit code {outcome.exit_code}" if odd else ""))
    for variant, outcome in outcomes.items():
        rows += [f"{variant}: {failure}" for failure in outcome.failures]
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Run all variants, print a table, and return the exit code."""
    # Options of pytest are added; folders or files of tests take the place of the numerical ones.
    if not any((ROOT / word.partition("::")[0]).exists() for word in arguments):
        arguments = [*arguments, *(str(Path("tests", name)) for name in NUMERICAL)]
    outcomes: dict[str, Outcome] = {}
    for variant, environment in variants().items():
        settings = " ".join(f"{name}={value}" for name, value in environment.items())
        print(f"\n{variant}: {settings or 'no limit'}", flush=True)
        outcomes[variant] = run_tests(environment, arguments)
    print(f"\n{table(outcomes)}")
    return 0 if all(outcome.good for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
