"""Altered datasets: the same maps, a clear refusal, or a warning that names the alteration.

``make test-inputs`` runs thousands of examples, and writes a table of their outcomes.
"""

import os
import shutil
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings

from tests.conftest import small_dataset
from tests.inputs.judging import VIOLATION, judge
from tests.inputs.outcomes import read_inputs, run_app
from tests.inputs.tally import Tally
from tests.strategies.alteration import VOCABULARY, NotApplicableError
from tests.strategies.recipes import Recipe, alter, recipes

N_READER_EXAMPLES = int(os.environ.get("READER_EXAMPLES", "100"))
N_RUN_EXAMPLES = int(os.environ.get("RUN_EXAMPLES", "8"))
REPORT = os.environ.get("INPUT_REPORT", "")
# Parts that pytest may run side by side.
N_PARTS = int(os.environ.get("INPUT_PARTS", "1"))
IS_SHORT = not REPORT
MEASURES = {"readers": (read_inputs, ("01", "02"), N_READER_EXAMPLES), "runs": (run_app, ("01",), N_RUN_EXAMPLES)}


class Laboratory:
    """Folder in which datasets are altered and read.

    Parameters
    ----------
    pristine, folder : Path
    kind : str
        A key of ``MEASURES``.
    """

    def __init__(self, pristine, folder, kind):
        self.pristine, self.folder, self.kind = pristine, folder, kind
        self.measure, self.labels, _ = MEASURES[kind]
        self.bases = {}
        self.tally = Tally()

    def outcome(self, recipe):
        """Alter a copy of the dataset, and measure it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        data = alter(recipe, self.pristine, self.folder, self.labels)
        custom = self.folder / "custom"
        return data, self.measure(data, custom if custom.is_dir() else None)

    def verdict(self, recipe):
        """Judge the outcome of a recipe."""
        if recipe.has_custom not in self.bases:
            _, self.bases[recipe.has_custom] = self.outcome(Recipe((), has_custom=recipe.has_custom))
            assert not self.bases[recipe.has_custom].refusal
            assert not self.bases[recipe.has_custom].crash
        base = self.bases[recipe.has_custom]
        data, outcome = self.outcome(recipe)
        return judge(recipe, data, outcome, base, sees_volumes=self.kind == "runs")

    def examine(self, recipe):
        """Count the outcome of a recipe; return False if it cannot be applied."""
        try:
            self.tally.add(recipe, self.verdict(recipe))
        except NotApplicableError:
            return False
        return True

    def shorten(self):
        """Replace each violation by one of fewer alterations, if it has the same problem."""
        shortest = {}
        for recipe, problem in self.tally.violations.items():
            if not any(set(known.names) <= set(recipe.names) for known in shortest):
                small, problem = self._shortest(recipe, problem)
                shortest[small] = problem
        return shortest

    def _shortest(self, recipe, problem):
        for n_names in range(1, len(recipe.names)):
            for names in combinations(recipe.names, n_names):
                small = Recipe(names, recipe.seed, recipe.has_custom)
                try:
                    verdict = self.verdict(small)
                except NotApplicableError:
                    continue
                if verdict.outcome == VIOLATION:
                    return small, verdict.problem
        return recipe, problem


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Simulate a participant to alter, and another one."""
    return small_dataset(tmp_path_factory.mktemp("pristine") / "fmriprep", n_participants=2, n_volumes=50)


@pytest.mark.parametrize("part", range(N_PARTS))
@pytest.mark.parametrize("kind", MEASURES)
def test_altered_datasets_are_read_alike_refused_or_warned_about(pristine, tmp_path, kind, part):
    laboratory = Laboratory(pristine, tmp_path / "altered", kind)
    n_examples = -(-MEASURES[kind][2] // N_PARTS)
    if not IS_SHORT:
        for name in sorted(VOCABULARY)[part::N_PARTS]:
            laboratory.examine(Recipe((name,), part))

    @seed(part)
    @settings(
        max_examples=n_examples, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(recipe=recipes())
    def examine(recipe):
        assume(laboratory.examine(recipe))

    examine()
    violations = laboratory.shorten()
    if REPORT:
        report = Path(f"{REPORT}-{kind}-{part + 1}.md")
        report.parent.mkdir(parents=True, exist_ok=True)
        laboratory.tally.violations = violations
        report.write_text(laboratory.tally.table(f"{kind}, part {part + 1} of {N_PARTS}"), "utf-8")
    assert violations == {}
