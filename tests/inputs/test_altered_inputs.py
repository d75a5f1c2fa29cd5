"""Altered datasets: the same maps, a clear refusal, or a warning that names the alteration.

``make test-inputs`` runs thousands of examples, and writes a table of their outcomes.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings

from tests.conftest import small_dataset
from tests.inputs.judging import VIOLATION, judge
from tests.inputs.outcomes import predict_maps, read_inputs, reuse_samplers, run_app, run_group
from tests.inputs.tally import Tally
from tests.strategies.alteration import KINDS, OUTPUT_KINDS, NotApplicableError
from tests.strategies.recipes import Recipe, alter, names_of, recipes

N_READER_EXAMPLES = int(os.environ.get("READER_EXAMPLES", "100"))
N_RUN_EXAMPLES = int(os.environ.get("RUN_EXAMPLES", "8"))
N_GROUP_EXAMPLES = int(os.environ.get("GROUP_EXAMPLES", "20"))
REPORT = os.environ.get("INPUT_REPORT", "")
# Parts that pytest may run side by side.
N_PARTS = int(os.environ.get("INPUT_PARTS", "1"))
IS_SHORT = not REPORT


@dataclass(frozen=True)
class Trial:
    """Part of the program that reads altered datasets.

    Attributes
    ----------
    measure : callable
        Returns an `Outcome`.
    kinds : tuple of str
        Kinds of alterations.
    labels : tuple of str
        Participants of the dataset; the first one is altered. Empty for all.
    n_examples : int
    title : str
    reads_volumes : bool
    """

    measure: Callable
    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    n_examples: int
    title: str
    reads_volumes: bool = True


TRIALS = {
    "readers": Trial(
        read_inputs, KINDS, ("01", "02"), N_READER_EXAMPLES, "Readers and preflight", reads_volumes=False
    ),
    "runs": Trial(run_app, KINDS, ("01",), N_RUN_EXAMPLES, "Runs to maps"),
    "group": Trial(run_group, OUTPUT_KINDS, (), N_GROUP_EXAMPLES, "Group level"),
}


class Laboratory:
    """Folder in which datasets are altered and read.

    Parameters
    ----------
    pristine, folder : Path
    trial : Trial
    """

    def __init__(self, pristine, folder, trial):
        self.pristine, self.folder, self.trial = pristine, folder, trial
        self.bases = {}
        self.tally = Tally(trial.kinds, trial.title)

    def outcome(self, recipe):
        """Alter a copy of the dataset, and measure it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        data = alter(recipe, self.pristine, self.folder, self.trial.labels)
        custom = self.folder / "custom"
        return data, self.trial.measure(data, custom if custom.is_dir() else None)

    def verdict(self, recipe):
        """Judge the outcome of a recipe."""
        if recipe.has_custom not in self.bases:
            _, self.bases[recipe.has_custom] = self.outcome(Recipe((), has_custom=recipe.has_custom))
            assert not self.bases[recipe.has_custom].refusal
            assert not self.bases[recipe.has_custom].crash
        base = self.bases[recipe.has_custom]
        data, outcome = self.outcome(recipe)
        return judge(recipe, data, outcome, base, sees_volumes=self.trial.reads_volumes)

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
    """Simulate a participant to alter and another one, and predict their maps."""
    folder = tmp_path_factory.mktemp("pristine")
    dataset = small_dataset(folder / "fmriprep", n_participants=2, n_volumes=50)
    assert predict_maps(dataset, folder / "maps").code == 0
    return dataset, folder / "maps"


@pytest.mark.parametrize("part", range(N_PARTS))
@pytest.mark.parametrize("kind", TRIALS)
def test_altered_datasets_are_read_alike_refused_or_warned_about(pristine, tmp_path, monkeypatch, kind, part):
    reuse_samplers(monkeypatch)
    trial = TRIALS[kind]
    laboratory = Laboratory(pristine[kind == "group"], tmp_path / "altered", trial)
    n_examples = -(-trial.n_examples // N_PARTS)
    if not IS_SHORT:
        for name in names_of(trial.kinds)[part::N_PARTS]:
            laboratory.examine(Recipe((name,), part))

    @seed(part)
    @settings(
        max_examples=n_examples, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(recipe=recipes(trial.kinds))
    def examine(recipe):
        assume(laboratory.examine(recipe))

    examine()
    violations = laboratory.shorten()
    if REPORT:
        laboratory.tally.violations = violations
        laboratory.tally.save(Path(REPORT, f"{kind}-{part}.json"))
    assert not violations, "\n".join(f"{recipe}: {problem}" for recipe, problem in violations.items())
