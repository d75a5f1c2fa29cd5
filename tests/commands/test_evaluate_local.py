"""Evaluation by ROI, across participants, and against data quality, from the command to the page."""

import csv
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.checksum import file_sha256
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from tests.cohort_store.atlas_files import write_image
from tests.commands.test_evaluate import CONTRASTS, N_PARTICIPANTS, population, write
from tests.evaluation.test_data_quality import metrics, write_record

PREDICTORS = ("good", "group average", "retest")


def table(out, name):
    """Read a table of an evaluation."""
    with (out / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Write measured, retest and predicted maps with quality records, and an atlas of two hemispheres."""
    root, maps = tmp_path_factory.mktemp("data"), population(N_PARTICIPANTS)
    rows = range(N_PARTICIPANTS)
    for number, name in enumerate(("measured", "retest", "good")):
        write(root / name, maps, rows, desc="predicted" if name == "good" else "measured", seed=number)
    for row in rows:
        write_record(root / "good", f"{row:02d}", metrics(5.0 + row, 0.3 - 0.02 * row, 50.0), task="x")
    labels = np.full(OUTPUT_GRID.shape, 1, np.int16)
    labels[46:] = 2
    atlas = write_image(root / "space-MNI152NLin6Asym_atlas-sides_dseg.nii.gz", labels)
    (root / "space-MNI152NLin6Asym_atlas-sides_dseg.tsv").write_text("index\tname\n1\tleft\n2\tright\n")
    return {
        "predicted": (f"good={root / 'good'}",), "measured": root / "measured", "retest": root / "retest",
        "atlas": (str(atlas),), "n_permutations": 99,
    }  # fmt: skip


@pytest.fixture(scope="module")
def output(settings, tmp_path_factory):
    """Run an evaluation with an atlas, in a folder with results of an earlier one."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    (out / "maps").mkdir(parents=True)
    (out / "maps" / "predictor-former_space-MNI152NLin6Asym_res-2_stat-r_desc-mean_statmap.nii.gz").touch()
    assert evaluate.run(EvaluateSettings(out=out, overwrite=True, **settings)) == 0
    return out


def test_every_region_has_scores_of_every_predictor_and_contrast(output):
    rows = table(output, "roi_scores")
    keys = {(row["predictor"], row["contrast"], row["name"]) for row in rows}
    assert keys == {(p, c, side) for p in PREDICTORS for c in CONTRASTS for side in ("left", "right")}
    assert len(rows) == len(keys)
    assert {(row["atlas"], row["n_participants"]) for row in rows} == {("sides", str(N_PARTICIPANTS))}
    for row in rows:
        is_average = row["predictor"] == "group average"
        assert float(row["r"]) > 0.5
        assert is_average == (row["residual_r"] == "n/a") == (row["r_across"] == "n/a")
    n_voxels = {row["contrast"]: int(row["n_voxels"]) for row in table(output, "scores")}
    for contrast in CONTRASTS:
        parts = [int(r["n_voxels"]) for r in rows if (r["predictor"], r["contrast"]) == ("good", contrast)]
        assert sum(parts) == n_voxels[contrast]


def test_maps_across_participants_exist_for_predictors_with_a_map_per_participant(output):
    rows = table(output, "across_participants")
    assert {(row["predictor"], row["contrast"]) for row in rows} == {
        (predictor, contrast) for predictor in ("good", "retest") for contrast in CONTRASTS
    }
    for row in rows:
        # Participants differ as much as the common pattern of the contrast, and the noise is small.
        assert float(row["median_r"]) > 0.6
        assert nib.load(output / row["map"]).shape == OUTPUT_GRID.shape
    names = sorted(path.name for path in (output / "maps").iterdir())
    assert len(names) == 2 * 2 * (len(CONTRASTS) + 1)
    assert not any("former" in name for name in names)


def test_scores_are_related_to_the_quality_of_the_predicted_dataset(output):
    rows = table(output, "quality")
    assert {row["measure"] for row in rows} == {"minutes", "mean_fd", "tsnr"}
    assert {row["predictor"] for row in rows} == set(PREDICTORS)
    assert {row["n_participants"] for row in rows} == {str(N_PARTICIPANTS)}
    # All participants have the same tSNR.
    assert {row["spearman"] for row in rows if row["measure"] == "tsnr"} == {"n/a"}
    by_key = {(row["predictor"], row["score"], row["measure"]): row["spearman"] for row in rows}
    assert float(by_key["good", "r", "minutes"]) == -float(by_key["good", "r", "mean_fd"])
    minutes = [float(row["minutes"]) for row in table(output, "participant_quality")[:N_PARTICIPANTS]]
    assert minutes == [5.0 + row for row in range(N_PARTICIPANTS)]


def test_the_page_has_the_sections_and_figures(output):
    page = (output / "evaluation.html").read_text("utf-8")
    for anchor in ('id="across"', 'id="rois"', 'id="quality"', 'id="across_mean"', 'id="across_highest"'):
        assert anchor in page
    for figure in ("across_highest", "across_mean", "quality"):
        assert (output / "figures" / f"{figure}.png").is_file()


def test_other_tables_do_not_depend_on_the_atlas_and_the_page_says_what_is_absent(
    settings, output, tmp_path, caplog
):
    caplog.set_level("INFO", "bids_deeptaskgen")
    predicted = tmp_path / "good"
    shutil.copytree(settings["predicted"][0].partition("=")[2], predicted)
    for record in predicted.rglob("*_desc-qc_metrics.json"):
        record.unlink()
    out = tmp_path / "out"
    changes = {"atlas": (), "predicted": (f"good={predicted}",)}
    assert evaluate.run(EvaluateSettings(out=out, **(settings | changes))) == 0
    for name in ("scores", "comparisons", "participant_scores", "across_participants"):
        assert table(out, name) == table(output, name)
    assert not (out / "roi_scores.tsv").exists()
    assert not (out / "quality.tsv").exists()
    assert "There is no table of scores by ROI" in caplog.text
    assert "no dataset has quality metrics" in caplog.text
    page = (out / "evaluation.html").read_text("utf-8")
    assert "neither an atlas (--atlas) nor a model" in page


def test_the_atlas_is_recorded_with_its_hash(settings, output):
    (source,) = settings["atlas"]
    recorded = json.loads((output / "evaluation.json").read_text())["Atlases"]
    assert recorded == f"sides: {source} (sha256 {file_sha256(Path(source))})"


def test_with_few_participants_the_page_says_what_is_missing_and_has_no_empty_figure(settings, tmp_path):
    few = settings | {"participant_label": ("00", "01", "02", "03")}
    assert evaluate.run(EvaluateSettings(out=tmp_path / "out", **few)) == 0
    page = (tmp_path / "out" / "evaluation.html").read_text("utf-8")
    assert "needs at least 5 participants with both maps; there are 4." in page
    assert "it needs at least 5 participants whose scores and data quality differ" in page
    assert 'id="across_mean"' not in page
    assert not (tmp_path / "out" / "figures" / "quality.png").exists()
    assert not (tmp_path / "out" / "maps").exists()


def test_an_atlas_that_does_not_exist_is_named(settings, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        evaluate.run(EvaluateSettings(out=tmp_path / "out", **(settings | {"atlas": ("/nowhere.nii.gz",)})))


def test_the_sidecar_of_a_map_states_participants_and_noise(output):
    (row, *_) = table(output, "across_participants")
    facts = json.loads((output / row["map"].replace(".nii.gz", ".json")).read_text())["DeepTaskGen"]
    assert facts["NumberOfParticipants"] == N_PARTICIPANTS
    assert facts["ChanceSD"] == pytest.approx(1 / np.sqrt(N_PARTICIPANTS - 1))
