"""How well the network predicts, beside what it must beat, on simulated people: ``make benchmark-accuracy``.

    python -m benchmarks.accuracy WORK [--n-train 200] [--n-epochs 24] ...

Two cohorts of one population are simulated at 4 mm, the second one measured otherwise (other repetition time,
noisier, smoother). Networks are trained on the first with two losses, fine-tuned on the second in several
ways, and scored on people of both whom no model has seen, beside the group average, the linear model and a
second measurement of the same people. Everything is a function of the numbers given here; a call that was
broken off goes on where it was.
"""

import argparse
import json
from pathlib import Path

from benchmarks.accuracy.run import run


def main() -> None:
    """Run the benchmark and write its results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for people, networks and results")
    parser.add_argument("--n-train", type=int, default=200)
    parser.add_argument("--n-second", type=int, default=30, help="people of the second cohort to tune on")
    parser.add_argument("--n-validation", type=int, default=20)
    parser.add_argument("--n-test", type=int, default=40)
    parser.add_argument("--n-epochs", type=int, default=24)
    parser.add_argument("--n-tuning-epochs", type=int, default=12)
    parser.add_argument("--fdim", type=int, default=16)
    options = parser.parse_args()
    results = run(options)
    (options.work / "results.json").write_text(json.dumps(results, indent=1), "utf-8")
    print(json.dumps(results["results"], indent=1))


if __name__ == "__main__":
    main()
