"""Accuracy of networks and baselines on simulated participants: ``make benchmark-accuracy``.

    python -m benchmarks.accuracy WORK [--n-train 200] [--n-epochs 24] ...

Two cohorts of one population are simulated at 4 mm. The second has another acquisition: other repetition
time, noisier, smoother. Networks are trained on the first cohort with two losses and fine-tuned on the second
with several strategies. They are scored on test participants of both cohorts, next to the group average, the
linear model and a retest. All results are a function of the options. Repeat an interrupted call to continue.
"""

import argparse
import json
from pathlib import Path

from benchmarks.accuracy.run import run


def main() -> None:
    """Run the benchmark and write its results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for participants, networks and results")
    parser.add_argument("--n-train", type=int, default=200, help="training participants, first cohort")
    parser.add_argument("--n-second", type=int, default=30, help="training participants, second cohort")
    parser.add_argument("--n-validation", type=int, default=20, help="validation participants per cohort")
    parser.add_argument("--n-test", type=int, default=40, help="test participants per cohort")
    parser.add_argument("--n-epochs", type=int, default=24, help="epochs of training")
    parser.add_argument("--n-tuning-epochs", type=int, default=12, help="epochs of fine-tuning")
    parser.add_argument("--fdim", type=int, default=16, help="channels of the network at full resolution")
    options = parser.parse_args()
    results = run(options)
    (options.work / "results.json").write_text(json.dumps(results, indent=1), "utf-8")
    print(json.dumps(results["results"], indent=1))


if __name__ == "__main__":
    main()
