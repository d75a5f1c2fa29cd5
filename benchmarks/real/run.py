"""Steps of the benchmark in order: divide the participants, fit, predict, score."""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.real.participants import CONTRASTS, RealParticipant, read_participants
from benchmarks.real.predictors import (
    BATCH_SIZE,
    Fold,
    LinearFits,
    Predictions,
    divide,
    predict_by_linear_model,
    predict_by_network,
    predict_by_ridge,
)
from benchmarks.real.scoring import (
    AVERAGE,
    CALIBRATED,
    RESIDUAL_DIFFERENCE,
    average_by_contrast,
    compare,
    join,
    score_all,
    summarise,
)
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import atomic_path

NETWORK, LINEAR, RIDGE = "network", "linear model", "ridge"
NAMES = (LINEAR, RIDGE, NETWORK)
# Options on which the predictions of a fold depend, and those that add folds and networks.
OPTIONS = ("n_folds", "n_validation", "n_epochs", "fdim", "loss", "seed")
REPEATS = ("n_repeats", "n_network_repeats")


def run(options: argparse.Namespace) -> dict[str, object]:
    """Run the benchmark; finished predictors and epochs of an interrupted call are not repeated.

    Parameters
    ----------
    options : argparse.Namespace
        Options of `benchmarks.real.__main__`.

    Returns
    -------
    dict
        Scores, tests, weights and seconds, for JSON.

    Raises
    ------
    InputError
        If the data cannot be read, the folder of results belongs to other data or options, or the numbers of
        repeats do not fit.
    """
    check_repeats(options)
    participants = read_participants(options.data)
    check_folder(options.work, participants, options)
    folds = [
        fold
        for repeat in range(options.n_repeats)
        for fold in divide(len(participants), options.n_folds, options.n_validation, options.seed, repeat)
    ]
    fits, scores = LinearFits(participants), []
    weights: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    seconds = dict.fromkeys(NAMES, 0.0)
    for fold in folds:
        predictions = predict(participants, fold, fits, options)
        fold_scores, fold_weights = score_all(participants, fold, predictions)
        scores.append(fold_scores)
        for name in predictions:
            seconds[name] += read_seconds(options.work, fold, name)
            weights[name].append(fold_weights[name].tolist())
    joined = join(folds, scores)
    return {
        "results": summarise(joined),
        "tests": compare(joined, comparisons()),
        "contrasts": average_by_contrast(joined, list(CONTRASTS)),
        "repeats": {name: joined[name][RESIDUAL_DIFFERENCE].mean(axis=(1, 2)).tolist() for name in NAMES},
        "weights": weights,
        "seconds": seconds,
        "options": {key: getattr(options, key) for key in (*REPEATS, *OPTIONS)} | {"batch_size": BATCH_SIZE},
        "n_participants": [len(participants), len(folds[0].test), len(folds[0].not_tested)],
    }


def comparisons() -> list[tuple[str, str, str]]:
    """List the tests: first predictor, second predictor (empty to compare with 0) and score."""
    predictors = [name + suffix for name in NAMES for suffix in ("", CALIBRATED)]
    ridge, network = RIDGE + CALIBRATED, NETWORK + CALIBRATED
    return [
        *((name, AVERAGE, "r") for name in predictors),
        *((name, "", RESIDUAL_DIFFERENCE) for name in NAMES),
        (RIDGE, NETWORK, "r"),
        (ridge, network, "r"),
        (RIDGE, NETWORK, "difference"),
        (ridge, network, "difference"),
        (RIDGE, NETWORK, RESIDUAL_DIFFERENCE),
        (RIDGE, LINEAR, RESIDUAL_DIFFERENCE),
        (RIDGE, LINEAR, "identified"),
    ]


def check_repeats(options: argparse.Namespace) -> None:
    """Check that there are repeats with networks, and not more of them than repeats.

    Parameters
    ----------
    options : argparse.Namespace

    Raises
    ------
    InputError
        If not.
    """
    if not 1 <= options.n_network_repeats <= options.n_repeats:
        message = (
            f"--n-repeats is {options.n_repeats} and --n-network-repeats is {options.n_network_repeats}. "
            "Give at least one repeat with networks, and not more than repeats."
        )
        raise InputError(message)


def check_folder(folder: Path, participants: Sequence[RealParticipant], options: argparse.Namespace) -> None:
    """Record data and options in the folder of results, or compare them with the recorded ones.

    Numbers of repeats are not recorded: further repeats change no stored prediction.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    participants : sequence of RealParticipant
    options : argparse.Namespace

    Raises
    ------
    InputError
        If the recorded ones are others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    for participant in participants:
        for array in (participant.connectivity, participant.activation, participant.parcels):
            digest.update(np.ascontiguousarray(array).tobytes())
    facts = {key: getattr(options, key) for key in OPTIONS}
    facts |= {"batch_size": BATCH_SIZE, "data": digest.hexdigest()}
    path = folder / "options.json"
    if not path.exists():
        path.write_text(json.dumps(facts), "utf-8")
    recorded_facts = json.loads(path.read_text("utf-8"))
    if recorded_facts != facts:
        keys = sorted(key for key in facts if recorded_facts.get(key) != facts[key])
        message = (
            f"{folder} holds results with other values of {', '.join(keys)}. Give another folder, or remove "
            "this one."
        )
        raise InputError(message)


def predict(
    participants: Sequence[RealParticipant], fold: Fold, fits: LinearFits, options: argparse.Namespace
) -> dict[str, Predictions]:
    """Fit all predictors of a fold and predict, or load the predictions of an earlier call.

    Parameters
    ----------
    participants : sequence of RealParticipant
    fold : Fold
    fits : LinearFits
    options : argparse.Namespace

    Returns
    -------
    dict of str to Predictions
        By name of the predictor; without the network if the repeat has none.
    """
    folder = fold_folder(options.work, fold)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"fdim": options.fdim, "n_epochs": options.n_epochs, "loss": options.loss}
    makers: dict[str, Callable[[], Predictions]] = {
        LINEAR: partial(predict_by_linear_model, participants, fold, fits),
        RIDGE: partial(predict_by_ridge, participants, fold),
    }
    if fold.repeat < options.n_network_repeats:
        makers[NETWORK] = partial(predict_by_network, participants, fold, folder, **settings)
    predictions = {}
    for name, make in makers.items():
        path = folder / f"{name}.npz"
        if not path.exists():
            start = time.monotonic()
            maps = make()
            with atomic_path(folder / f"{name}.json") as temporary:
                temporary.write_text(json.dumps(time.monotonic() - start), "utf-8")
            maps.save(path)
            seconds = time.monotonic() - start
            print(f"repeat {fold.repeat}, fold {fold.index}: {name}, {seconds:.0f} s", flush=True)
        predictions[name] = Predictions.load(path)
    return predictions


def fold_folder(work: Path, fold: Fold) -> Path:
    """Return the folder of a fold's networks and predictions."""
    folder = work / f"repeat-{fold.repeat}" if fold.repeat else work
    return folder / f"fold-{fold.index}"


def read_seconds(work: Path, fold: Fold, name: str) -> float:
    """Read the wall time of fit and prediction, of the last call if there were several."""
    return float(json.loads((fold_folder(work, fold) / f"{name}.json").read_text("utf-8")))
