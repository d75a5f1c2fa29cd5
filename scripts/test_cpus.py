"""Numerical tests as if on other processors: ``python scripts/test_cpus.py [PYTEST_ARGUMENT ...]``.

Each variant limits the instruction set from which one library selects its kernels. Different kernels add in a
different order and round at different places. A test that passes by chance on one processor therefore fails
under some variant.
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

# Tests whose numbers depend on torch, BLAS or oneDNN: network, training, statistics, connectomes, simulation,
# and the commands and whole runs that use them. All other tests (files, settings, names, messages, downloads)
# use no such kernel.
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
    """Test results of one variant.

    Attributes
    ----------
    passed, failed : int
        Number of tests; errors of fixtures count as failed.
    seconds : float
        Duration of pytest.
    exit_code : int
        Exit code of pytest.
    failures : tuple of str
        Names of the tests that failed.
    """

    passed: int
    failed: int
    seconds: float
    exit_code: int
    failures: tuple[str, ...]

    @property
    def is_success(self) -> bool:
        """Return whether tests ran and none failed."""
        return self.exit_code == 0 and self.passed > 0 and self.failed == 0


def variants() -> dict[str, dict[str, str]]:
    """Return the environment variables of each variant that this processor supports."""
    import torch

    n_supported = CAPABILITIES.index(torch.backends.cpu.get_cpu_capability()) + 1
    environments = {"no limit": {}}
    # Kernels of torch itself: elementwise functions, sums, batch normalisation.
    for capability in CAPABILITIES[:n_supported]:
        environments[f"torch {capability.lower()}"] = {"ATEN_CPU_CAPABILITY": capability.lower()}
    # Convolutions, and all computations in bfloat16.
    for isa in ("SSE41", "AVX2")[:n_supported]:
        environments[f"oneDNN {isa}"] = {"ONEDNN_MAX_CPU_ISA": isa}
    # Matrix products of numpy and scipy (OpenBLAS), and of torch (MKL).
    environments["BLAS SSE4"] = {"OPENBLAS_CORETYPE": "Nehalem", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
    if n_supported > 1:
        environments["BLAS AVX2"] = {"OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    return environments


def run_tests(environment: dict[str, str], arguments: list[str]) -> Outcome:
    """Run pytest in a separate process.

    Parameters
    ----------
    environment : dict of str to str
        Environment variables to add.
    arguments : list of str
        Arguments of pytest.

    Returns
    -------
    Outcome
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
        start = time.monotonic()
        exit_code = subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode
        seconds = time.monotonic() - start
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    # A test and its teardown may both fail; count the test once.
    failures = dict.fromkeys(name_of(case) for case in cases if has_element(case, "failure", "error"))
    passed = {name_of(case) for case in cases if not has_element(case, "failure", "error", "skipped")}
    return Outcome(len(passed - failures.keys()), len(failures), seconds, exit_code, tuple(failures))


def has_element(case: ElementTree.Element, *tags: str) -> bool:
    """Return whether a test case of the report contains any of the elements.

    Parameters
    ----------
    case : Element
        Test case of a JUnit report.
    *tags : str
        Names of elements.

    Returns
    -------
    bool
    """
    return any(case.find(tag) is not None for tag in tags)


def name_of(case: ElementTree.Element) -> str:
    """Return module and name of a test case of the report."""
    return f"{case.get('classname')}::{case.get('name')}"


def table(outcomes: dict[str, Outcome]) -> str:
    """Format one row per variant, and the names of the failed tests."""
    rows = [f"{'variant':<14}{'passed':>8}{'failed':>8}{'seconds':>9}"]
    for variant, outcome in outcomes.items():
        row = f"{variant:<14}{outcome.passed:>8}{outcome.failed:>8}{outcome.seconds:>9.0f}"
        has_no_result = not outcome.is_success and not outcome.failed
        note = f"  no result: pytest ended with exit code {outcome.exit_code}" if has_no_result else ""
        rows.append(row + note)
    for variant, outcome in outcomes.items():
        rows += [f"{variant}: {failure}" for failure in outcome.failures]
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Run all variants, print a table, and return the exit code."""
    # Folders or files among the arguments replace the numerical tests; options are added to them.
    if not any((ROOT / word.partition("::")[0]).exists() for word in arguments):
        arguments = [*arguments, *(str(Path("tests", name)) for name in NUMERICAL)]
    outcomes: dict[str, Outcome] = {}
    for variant, environment in variants().items():
        settings = " ".join(f"{name}={value}" for name, value in environment.items())
        print(f"\n{variant}: {settings or 'environment unchanged'}", flush=True)
        outcomes[variant] = run_tests(environment, arguments)
    print(f"\n{table(outcomes)}")
    return 0 if all(outcome.is_success for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
