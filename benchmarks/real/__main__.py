"""Accuracy of all models on real participants: ``make benchmark-real DATA=folder``.

    python -m benchmarks.real DATA WORK [--n-repeats 5] [--n-network-repeats 1] ...

Participants are divided into folds. Each fold is predicted by models that were fitted to all other
participants: the linear model, ridge and a network, each uncalibrated and calibrated, next to the group
average. This is repeated with other divisions into folds; networks, which take most of the time, are trained
in the first repeats only.
Repeat an interrupted call to continue. More repeats add to the folder of a finished call.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.real.run import run
from bids_deeptaskgen.errors import InputError


def main() -> int:
    """Run the benchmark and write its results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data; see benchmarks/real/participants.py")
    parser.add_argument("work", type=Path, help="folder for networks, predictions and results")
    parser.add_argument("--n-folds", type=int, default=5, help="folds of the cross-validation")
    parser.add_argument("--n-repeats", type=int, default=5, help="repeats, each with other folds")
    parser.add_argument("--n-network-repeats", type=int, default=1, help="first repeats that have networks")
    parser.add_argument("--n-validation", type=int, default=4, help="validation participants of a network")
    parser.add_argument("--n-epochs", type=int, default=12, help="epochs of training")
    parser.add_argument("--fdim", type=int, default=16, help="channels of the network at full resolution")
    parser.add_argument("--loss", default="mse", help="loss of the network")
    parser.add_argument("--seed", type=int, default=0, help="seed of the folds")
    options = parser.parse_args()
    try:
        results = run(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    (options.work / "results.json").write_text(json.dumps(results, indent=1), "utf-8")
    print(json.dumps(results["results"], indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
