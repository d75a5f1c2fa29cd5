"""The ridge model as a baseline beside the linear model."""

import csv
import json
import logging
import shutil

import numpy as np
import pytest

from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from tests.commands.learning import LABELS, SPLIT

TESTED = ("05", "06")
TRAINING = ("01", "02", "03", "04")


def settings_of(world, out, **changes):
    values = {
        "measured": world.root / "measured",
        "baseline_train": world.root / "measured",
        "participant_label": TESTED,
        "model": str(world.model.folder),
        "connectomes": (world.root / "connectomes",),
        "n_permutations": 9,
    }
    return EvaluateSettings(out=out, **(values | changes))


def scores(out, name):
    """Return the mean score of each predictor and contrast."""
    with (out / "scores.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["score"] == name]
    return {(row["predictor"], row["contrast"]): float(row["value"].replace("n/a", "nan")) for row in rows}


def facts(out):
    return json.loads((out / "evaluation.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def output(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("ridge") / "out"
    assert evaluate.run(settings_of(world, out)) == 0
    return out


def test_it_recovers_maps_that_follow_linearly_from_the_connectome(output):
    r = scores(output, "r")
    assert {predictor for predictor, _ in r} == {"group average", "linear model", "ridge model"}
    for label in LABELS:
        # Measured maps are three times the connectivity with one ROI.
        assert r["ridge model", label] > 0.95
        assert r["ridge model", label] > r["group average", label] + 0.05
    identification = scores(output, "identification_rate")
    assert all(identification["ridge model", label] == 1 for label in LABELS)


def test_the_report_states_to_whom_it_was_fitted(world, output):
    text = f"fitted to {len(TRAINING)} participants of {world.root / 'measured'}"
    assert facts(output)["Ridge model"] == text
    assert "ridge model" in (output / "evaluation.html").read_text("utf-8")


def test_with_fewer_than_three_families_it_is_left_out(world, tmp_path, caplog):
    table = tmp_path / "participants.tsv"
    families = dict.fromkeys(TRAINING, "a") | {label: label for label in TESTED}
    table.write_text(
        "participant_id\tfamily_id\n" + "".join(f"sub-{key}\t{value}\n" for key, value in families.items())
    )
    settings = settings_of(world, tmp_path / "out", participants_tsv=table)
    with caplog.at_level(logging.WARNING, "bids_deeptaskgen"):
        assert evaluate.run(settings) == 0
    assert "The ridge model is left out: 1 unrelated participants of `baseline_train`" in caplog.text
    assert {predictor for predictor, _ in scores(tmp_path / "out", "r")} == {"group average", "linear model"}
    assert "Ridge model" not in facts(tmp_path / "out")


def test_a_contrast_without_training_maps_is_not_predicted(world, tmp_path):
    shutil.copytree(world.root / "measured", tmp_path / "others")
    for label in SPLIT:
        for path in (tmp_path / "others" / f"sub-{label}").rglob("*contrast-contrast1_*"):
            path.unlink()
    settings = settings_of(world, tmp_path / "out", baseline_train=tmp_path / "others")
    assert evaluate.run(settings) == 0
    r = scores(tmp_path / "out", "r")
    assert r["ridge model", "contrast0"] > 0.95
    assert not np.isfinite(r.get(("ridge model", "contrast1"), np.nan))
