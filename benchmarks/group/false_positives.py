"""False positives of the tests of ``group`` without any effect: ``make benchmark-false-positives``.

    python -m benchmarks.group.false_positives docs/reference/false_positives.md [--n-seeds 200]

Every seed is a new cohort whose maps are noise, smooth in space, with an offset for each participant. The
share of seeds with a false positive must be the nominal 5%, within its binomial interval.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.ndimage import gaussian_filter

from bids_deeptaskgen.group.design.observations import DesignRequest, Observation
from bids_deeptaskgen.group.design.plan import plan_design
from bids_deeptaskgen.group.second_level import fit_effects, permute_effects

# Small enough for 200 seeds in minutes, with several independent regions.
SHAPE = (8, 8, 8)
VOXEL = 100
ALPHA = 0.05
# p values of 199 permutations are multiples of 1/200, so that p < 0.05 has a probability of 9/200.
N_PERMUTATIONS = 199
COVARIATES = ("mean_fd", "tsnr")
TITLE = "False positives of the tests of differences"


@dataclass(frozen=True)
class Scenario:
    """Design that is tested.

    Attributes
    ----------
    title : str
    n_participants : int
    design : str or None
    session_difference : str or None
    """

    title: str
    n_participants: int
    design: str | None = None
    session_difference: str | None = None


SCENARIOS = (
    Scenario("age, 40 participants", 40, "age"),
    Scenario("age, 15 participants", 15, "age"),
    Scenario("diagnosis (3 groups), 40 participants", 40, "diagnosis"),
    Scenario("age * sex, 40 participants", 40, "age * sex"),
    Scenario("change between two sessions, 40 participants", 40, None, "post-pre"),
)


@dataclass
class Counts:
    """False positives of an effect.

    Attributes
    ----------
    voxel, family : int
        Seeds with p < 0.05 at one voxel; with a p < 0.05 that is corrected over the voxels, anywhere.
    shares : list of float
        Share of voxels with p < 0.05, of each seed.
    """

    voxel: int = 0
    family: int = 0
    shares: list[float] = field(default_factory=list)


def observe(n_participants: int, sessions: Sequence[str | None]) -> list[Observation]:
    """Draw the columns of a cohort, the same for every seed.

    Parameters
    ----------
    n_participants : int
    sessions : sequence of str or None

    Returns
    -------
    list of Observation
        One for each participant and session.
    """
    rng = np.random.default_rng(0)
    rows = []
    for number in range(n_participants):
        columns = {
            "age": f"{rng.uniform(20, 70):.1f}",
            "sex": "FM"[number % 2],
            "diagnosis": "ABC"[int(rng.integers(3))],
        }
        for session in sessions:
            metrics = {"fd_mean_mm": float(rng.gamma(4, 0.05)), "tsnr_median": float(rng.normal(60, 10))}
            rows.append(Observation(f"{number:03d}", session, columns | metrics))
    return rows


def count_false_positives(scenario: Scenario, n_seeds: int) -> dict[str, Counts]:
    """Test noise with a design, once for each seed.

    Parameters
    ----------
    scenario : Scenario
    n_seeds : int

    Returns
    -------
    dict of str to Counts
        By title of the effect.
    """
    sessions = ("pre", "post") if scenario.session_difference else (None,)
    observations = observe(scenario.n_participants, sessions)
    counts: dict[str, Counts] = {}
    for seed in range(n_seeds):
        request = DesignRequest(
            design=scenario.design,
            covariates=COVARIATES,
            covariates_are_default=False,
            session_difference=scenario.session_difference,
            n_permutations=N_PERMUTATIONS,
            random_seed=seed,
            n_processes=1,
        )
        plan = plan_design(observations, request)
        values = draw_noise(len(plan.participants), seed)
        chunks = [(np.arange(values.shape[1]), values)]
        fit = fit_effects(plan, chunks, SHAPE)
        permuted = permute_effects(plan, chunks, fit.tested, np.eye(4))
        for effect in plan.effects:
            effect_counts = counts.setdefault(effect.title, Counts())
            p = fit.effects[effect.label].p
            effect_counts.voxel += int(p.ravel()[VOXEL] < ALPHA)
            effect_counts.shares.append(float((p < ALPHA).mean()))
            effect_counts.family += int(permuted[effect.label].p_max_t.min() < ALPHA)
    return counts


def draw_noise(n_participants: int, seed: int) -> np.ndarray:
    """Draw maps without any effect, float32 array of shape (n_participants, n_voxels).

    Parameters
    ----------
    n_participants : int
    seed : int

    Returns
    -------
    array
    """
    rng = np.random.default_rng(1000 + seed)
    maps = gaussian_filter(rng.normal(size=(n_participants, *SHAPE)), (0, 1, 1, 1))
    maps /= maps.std()
    maps += 0.5 * rng.normal(size=(n_participants, 1, 1, 1))
    return maps.reshape(n_participants, -1).astype(np.float32)


def rate(count: int, n_seeds: int) -> str:
    """Format a rate with its exact 95% binomial interval.

    Parameters
    ----------
    count, n_seeds : int

    Returns
    -------
    str

    Examples
    --------
    >>> rate(10, 200)
    '0.050 [0.024, 0.090]'
    """
    interval = stats.binomtest(count, n_seeds).proportion_ci(method="exact")
    return f"{count / n_seeds:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def page(results: Mapping[str, Mapping[str, Counts]], n_seeds: int, command: str) -> str:
    """Format the page of results.

    Parameters
    ----------
    results : dict of str to dict of str to Counts
        By scenario and effect.
    n_seeds : int
    command : str

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        f"# {TITLE}",
        "",
        f"`{command}` wrote this page. In each of {n_seeds} seeds, maps of noise ({np.prod(SHAPE)} voxels, "
        "smooth in space, with an offset for each participant) were tested with the covariates mean FD and "
        f"tSNR. Any p < {ALPHA} is a false positive. Brackets are exact 95% binomial intervals of a rate.",
        "",
        "- **one voxel**: rate of seeds with p < 0.05 (parametric, two-sided) at one voxel; 0.05 is "
        "expected.",
        "- **all voxels**: share of the voxels with p < 0.05, mean over seeds; 0.05 is expected.",
        "- **family-wise**: rate of seeds with any p < 0.05 that is corrected over the voxels by "
        f"{N_PERMUTATIONS} permutations (sign flips for a change); 0.045 is expected, since p is a multiple "
        "of 1/200.",
        "",
        "| design | effect | one voxel | all voxels | family-wise |",
        "|---|---|---|---|---|",
    ]
    for title, counts in results.items():
        for effect, item in counts.items():
            lines.append(
                f"| {title} | {effect} | {rate(item.voxel, n_seeds)} | {np.mean(item.shares):.3f} | "
                f"{rate(item.family, n_seeds)} |"
            )
    lines += [
        "",
        "Not measured: threshold-free cluster enhancement at this number of seeds, heavy tails, sites with "
        "unequal variance.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path, help="Markdown file to write")
    parser.add_argument("--n-seeds", type=int, default=200, help="cohorts of each design")
    options = parser.parse_args()
    results = {item.title: count_false_positives(item, options.n_seeds) for item in SCENARIOS}
    command = f"python -m benchmarks.group.false_positives {options.page} --n-seeds {options.n_seeds}"
    options.page.write_text(page(results, options.n_seeds, command), "utf-8")


if __name__ == "__main__":
    main()
