"""The command that exports tables of imaging-derived phenotypes for Nipoppy."""

import json

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.output_mask import output_mask_path
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.cli.workbench import main
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from tests.group.dataset import BLOCK, make_dataset

# Two regions with values, and one outside the mask of the maps.
REGIONS = {3: "left", 12: "right (a)", 20: "right [a]"}
# Label of the parcels of the model.
PARCELS = "0a1b2c3dRois"
TABLE = "deeptaskgen_task-rest_seg-{}_desc-maps_idps"


def write_labels(path):
    """Write an image of labels with the names of its regions."""
    labels = np.zeros(OUTPUT_GRID.shape, np.int16)
    labels[38:45, 48:60, 28:38] = 3
    labels[45:52, 48:60, 28:38] = 12
    labels[5:8, 5:8, 5:8] = 20
    save_nifti(path, labels, OUTPUT_GRID.matrix, dtype=np.int16)
    table = path.with_name(path.name.replace(".nii.gz", ".tsv"))
    write_tsv(table, {"index": list(REGIONS), "name": list(REGIONS.values())})
    return path


@pytest.fixture
def dataset(tmp_path):
    """Return a function that writes a dataset with its mask and the parcels of its model."""

    def write(**plan):
        folder = tmp_path / "data"
        cohort = make_dataset(folder, has_connectomes=False, **({"n": 2} | plan))
        mask = np.zeros(OUTPUT_GRID.shape, np.uint8)
        mask[BLOCK] = 1
        save_nifti(output_mask_path(folder, "0a1b2c3d"), mask, OUTPUT_GRID.matrix, dtype=np.uint8)
        write_labels(output_path(folder, "roi_parcels", seg="0a1b2c3d"))
        return cohort

    return write


def export(tmp_path, *options):
    return main(["export", "nipoppy", str(tmp_path / "data"), str(tmp_path / "idp"), *options])


def read_table(tmp_path, label=PARCELS):
    return read_tsv(tmp_path / "idp" / f"{TABLE.format(label)}.tsv")


def region_mean(cohort, participant, session, runs, contrast, region):
    """Compute the mean of a region over its voxels, then over the runs."""
    labels = np.where(np.arange(40, 50) < 45, 3, 12)
    return np.mean(
        [cohort.maps[participant, session, run, contrast][labels == region].mean() for run in runs]
    )


@pytest.mark.parametrize(
    ("plan", "sessions", "runs"),
    [
        ({}, ("1", "2"), (None,)),
        ({"sessions": (None,), "runs": ("1", "2")}, (None,), ("1", "2")),
        ({"is_4d": True}, ("1", "2"), (None,)),
    ],
)
def test_a_session_has_the_mean_of_each_map_in_each_region(tmp_path, dataset, plan, sessions, runs):
    cohort = dataset(**plan)
    assert export(tmp_path) == 0
    rows = read_table(tmp_path)
    expected = [(label, session or "unnamed") for label in ("01", "02") for session in sessions]
    assert [(row["participant_id"], row["session_id"]) for row in rows] == expected
    for row in rows:
        session = None if row["session_id"] == "unnamed" else row["session_id"]
        for contrast in cohort.plan.contrasts:
            for number, name in ((3, "left"), (12, "right_a")):
                mean = region_mean(cohort, row["participant_id"], session, runs, contrast, number)
                value = float(row[f"deeptaskgen_rest_0a1b2c3dRois_{contrast}_{name}"])
                assert value == pytest.approx(mean, rel=1e-4, abs=1e-6)
            assert row[f"deeptaskgen_rest_0a1b2c3dRois_{contrast}_right_a_2"] == "n/a"


def test_each_column_is_described(tmp_path, dataset):
    dataset()
    assert export(tmp_path) == 0
    for ending in (TABLE.format(PARCELS), "deeptaskgen_task-rest_desc-quality_idps"):
        columns = list(read_tsv(tmp_path / "idp" / f"{ending}.tsv")[0])
        content = json.loads((tmp_path / "idp" / f"{ending}.json").read_text("utf-8"))
        assert list(content) == columns
        assert all(column["Description"] for column in content.values())
    region = json.loads((tmp_path / "idp" / f"{TABLE.format(PARCELS)}.json").read_text("utf-8"))
    assert region["deeptaskgen_rest_0a1b2c3dRois_wm2bk_right_a_2"]["Region"] == "right [a]"


def test_the_quality_table_has_the_sessions_of_the_dataset(tmp_path, dataset):
    dataset(sessions=(None,))
    assert export(tmp_path) == 0
    rows = read_tsv(tmp_path / "idp" / "deeptaskgen_task-rest_desc-quality_idps.tsv")
    assert [(row["participant_id"], row["session_id"]) for row in rows] == [
        ("01", "unnamed"),
        ("02", "unnamed"),
    ]
    fd = {result.subject: result.metrics["fd_mean_mm"] for result in read_results(tmp_path / "data")}
    for row in rows:
        assert float(row["deeptaskgen_rest_fd_mean_mm"]) == pytest.approx(fd[row["participant_id"]], rel=1e-4)


def test_contrasts_and_atlases_are_chosen(tmp_path, dataset, capsys):
    dataset()
    atlas = write_labels(tmp_path / "seg-toy_dseg.nii.gz")
    assert export(tmp_path, "--atlas", str(atlas), "--contrasts", "motorLh") == 0
    assert "4 sessions, 3 phenotypes" in capsys.readouterr().out
    (row, *_) = read_table(tmp_path, "toy")
    assert list(row)[2:] == [
        f"deeptaskgen_rest_toy_motorLh_{name}" for name in ("left", "right_a", "right_a_2")
    ]
    assert export(tmp_path, "--contrasts", "motorLf") == 2
    assert "the maps have no contrast motorLf. The closest names are motorLh" in capsys.readouterr().err


def test_a_table_is_replaced_only_on_request(tmp_path, dataset, capsys):
    dataset()
    assert export(tmp_path) == 0
    files = sorted((tmp_path / "idp").iterdir())
    contents = [path.read_bytes() for path in files]
    files[-1].write_text("")
    assert export(tmp_path) == 2
    assert "replace it with --overwrite" in capsys.readouterr().err
    assert export(tmp_path, "--overwrite") == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "idp").iterdir())] == contents


def test_a_damaged_map_leaves_cells_empty_and_is_named(tmp_path, dataset, capsys):
    dataset(sessions=(None,))
    (result, *_) = read_results(tmp_path / "data")
    image = result.statmap(tmp_path / "data", "wm2bk")
    image.write_bytes(b"damaged")
    assert export(tmp_path) == 0
    message = capsys.readouterr().err
    assert image.name in message
    assert "Maps of 1 participant cannot be used" in message
    (row, other) = read_table(tmp_path)
    assert row["deeptaskgen_rest_0a1b2c3dRois_wm2bk_left"] == "n/a"
    assert row["deeptaskgen_rest_0a1b2c3dRois_motorLh_left"] != "n/a"
    assert other["deeptaskgen_rest_0a1b2c3dRois_wm2bk_left"] != "n/a"


def test_a_session_without_any_value_has_no_row(tmp_path, dataset):
    dataset(sessions=(None,))
    (result, *_) = read_results(tmp_path / "data")
    for contrast in ("wm2bk", "motorLh"):
        result.statmap(tmp_path / "data", contrast).write_bytes(b"damaged")
    assert export(tmp_path) == 0
    assert [row["participant_id"] for row in read_table(tmp_path)] == ["02"]


def test_without_parcels_of_one_model_an_atlas_is_required(tmp_path, dataset, capsys):
    dataset()
    parcels = output_path(tmp_path / "data", "roi_parcels", seg="0a1b2c3d")
    write_labels(output_path(tmp_path / "data", "roi_parcels", seg="1a1b2c3d"))
    assert export(tmp_path) == 3
    assert "has parcels of 2 models" in capsys.readouterr().err
    parcels.unlink()
    assert export(tmp_path) == 0
    output_path(tmp_path / "data", "roi_parcels", seg="1a1b2c3d").unlink()
    assert export(tmp_path, "--overwrite") == 3
    message = capsys.readouterr().err
    assert "has no parcels of the model's ROI maps" in message
    assert "--atlas" in message
