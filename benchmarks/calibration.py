"""Gain in r by calibration with few validation participants, for several priors.

    python -m benchmarks.calibration

Participants are simulated as a mean map, a pattern of their own and noise. Predictions contain a share of the
pattern, which differs between contrasts. Weights are estimated on few validation participants, and scored on
further participants. The table is part of docs/explanation/calibration.md.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.stats.calibration import WEIGHTS, Calibration

# A smooth map has about this many independent values.
N_CONTRASTS, N_VALUES = 47, 50
N_VALIDATION = (2, 4, 10, 20, 50, 200)
# Participants that the pooled curve counts for, and the least number with weights of their own.
PRIORS = {
    "per contrast": (0, 0),
    "prior 5": (5, 10),
    "prior 10": (10, 10),
    "prior 20": (20, 10),
    "prior 50": (50, 10),
    "pooled": (0, 10**9),
}
# SD over contrasts of the log of the share of the pattern in a prediction, and its median.
COHORTS = {"no information": (0.0, 0.0), "similar contrasts": (0.15, 0.3), "different contrasts": (0.15, 1.0)}
N_TEST, N_REPEATS, N_IN_MEAN = 200, 10, 40


def draw_participants(
    rng: np.random.Generator, signal: NDArray[np.float64], n_participants: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Simulate predicted, measured and mean maps of participants, each (n_contrasts, n_values).

    Parameters
    ----------
    rng : Generator
    signal : array of shape (n_contrasts,)
        Size of the participant's pattern in the prediction, whose noise has SD 1.
    n_participants : int

    Yields
    ------
    predicted, measured, mean : array of shape (n_contrasts, n_values)
        The mean has the noise of an average over `N_IN_MEAN` participants.
    """
    shape = (len(signal), N_VALUES)
    truth = 1.5 * rng.standard_normal(shape)
    mean = truth + rng.standard_normal(shape) * np.sqrt(2 / N_IN_MEAN)
    for _ in range(n_participants):
        pattern, noise, error = rng.standard_normal((3, *shape))
        yield truth + signal[:, None] * pattern + error, truth + pattern + noise, mean


def gains(
    median: float,
    spread: float,
    n_validation: int,
    seed: int,
    *,
    n_contrasts: int = N_CONTRASTS,
    n_test: int = N_TEST,
) -> dict[str, float]:
    """Compute the gain in r over the mean map on further participants, for each of `PRIORS`.

    Parameters
    ----------
    median, spread : float
        Median over contrasts of the size of the participant's pattern in predictions, and SD of its log.
    n_validation : int
    seed : int
    n_contrasts, n_test : int
        Number of contrasts and of further participants.

    Returns
    -------
    dict of str to float
        Mean over contrasts; "best" uses the best weight of the further participants.
    """
    rng = np.random.default_rng(seed)
    signal = median * np.exp(spread * rng.standard_normal(n_contrasts))
    validation, test = Calibration(n_contrasts), Calibration(n_contrasts)
    for number, maps in enumerate(draw_participants(rng, signal, n_validation + n_test)):
        (validation if number < n_validation else test).add(*maps)
    gain = test.mean_r - test.mean_r[:, :1]
    rows = np.arange(n_contrasts)
    result = {}
    for name, (n_prior, n_min) in PRIORS.items():
        weights = validation.weights_with_prior(n_prior, n_min)
        result[name] = float(gain[rows, np.rint(weights * (len(WEIGHTS) - 1)).astype(int)].mean())
    return result | {"best": float(gain.max(axis=1).mean())}


def main() -> None:
    """Print the table in Markdown."""
    names = [*PRIORS, "best"]
    print("| predictions | validation participants | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    for cohort, (median, spread) in COHORTS.items():
        for n_validation in N_VALIDATION:
            results = [gains(median, spread, n_validation, seed) for seed in range(N_REPEATS)]
            means = [np.mean([result[name] for result in results]) for name in names]
            cells = [f"{mean:.4f}" for mean in means]
            print(f"| {cohort} | {n_validation} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
