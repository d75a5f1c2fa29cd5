"""Accuracy of networks and baselines on simulated participants: ``make benchmark-accuracy``.

    python -m benchmarks.accuracy WORK [--parts cohorts participants shifts minutes] [--n-train 200] ...

cohorts: two cohorts of one population are simulated at 4 mm. The second has another acquisition: other
repetition time, noisier, smoother. Networks are trained on the first cohort with two losses and fine-tuned on
the second with several strategies. They are scored on test participants of both cohorts, next to the group
average, the linear model and a retest.

participants, minutes: learning curves of group average, ridge, linear model and a smaller network.

shifts: fine-tuning under shifts that can be learned, next to the parent, a ridge regression and a network of
the new cohort alone.

All results are a function of the options. Repeat an interrupted call to continue.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.accuracy.learning_curve import (
    CurveSettings,
    Rows,
    curve_over_minutes,
    curve_over_participants,
)
from benchmarks.accuracy.run import run
from benchmarks.accuracy.shifts import SHIFTS, score_shift
from bids_deeptaskgen.io.atomic import atomic_path

PARTS = ("cohorts", "participants", "shifts", "minutes")


def main() -> None:
    """Run the parts of the benchmark and write their results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for participants, networks and results")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="parts to run; by default all"
    )
    parser.add_argument("--n-train", type=int, default=200, help="training participants, first cohort")
    parser.add_argument("--n-second", type=int, default=30, help="training participants, second cohort")
    parser.add_argument("--n-validation", type=int, default=20, help="validation participants per cohort")
    parser.add_argument("--n-test", type=int, default=40, help="test participants per cohort")
    parser.add_argument("--n-epochs", type=int, default=24, help="epochs of training")
    parser.add_argument("--n-tuning-epochs", type=int, default=12, help="epochs of fine-tuning")
    parser.add_argument("--fdim", type=int, default=16, help="channels of the network at full resolution")
    options = parser.parse_args()
    parts = options.parts
    del options.parts  # the options that are written hold for the part "cohorts" only
    if "cohorts" in parts:
        results = run(options)
        (options.work / "results.json").write_text(json.dumps(results, indent=1), "utf-8")
        print(json.dumps(results["results"], indent=1))
    run_curves([part for part in parts if part != "cohorts"], CurveSettings(), options.work)


def run_curves(parts: list[str], settings: CurveSettings, work: Path) -> None:
    """Compute learning curves and shifts, and write the results after each.

    Parameters
    ----------
    parts : list of str
        Some of "participants", "shifts" and "minutes".
    settings : CurveSettings
    work : Path
        Folder of the benchmark; ``curves.json`` in it keeps the results of other parts.
    """
    path = work / "curves.json"
    steps: dict[str, Callable[[], Rows]] = {}
    for part in parts:
        if part == "shifts":
            steps |= {name: partial(score_shift, name, settings, work) for name in SHIFTS}
        else:
            curve = {"participants": curve_over_participants, "minutes": curve_over_minutes}[part]
            steps[part] = partial(curve, settings, work)
    for name, compute in steps.items():
        rows = compute()
        results = json.loads(path.read_text("utf-8")) if path.exists() else {}
        results |= {"settings": asdict(settings), name: rows}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(results, indent=1), "utf-8")


if __name__ == "__main__":
    main()
