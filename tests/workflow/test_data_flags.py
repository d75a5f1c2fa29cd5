"""Damaged data in the app: flags in log, quality file and tables, and no values without signal."""

import json

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.io.tsv import read_tsv
from tests.inprocess import BOLD, CONFOUNDS, MASK, call, maps_of, only, outcomes

WORDS = ("--min-minutes", "1", "--min-dof", "5", "--nprocs", "1", "--nuisance-regressors", "none")
CONTRAST = "contrast0"


@pytest.fixture
def run(dataset, model, tmp_path):
    def start(name, *words):
        output = tmp_path / name
        options = ("--participant-label", "01", "--model", model, "--contrasts", CONTRAST)
        return output, call(dataset, output, "participant", *options, *WORDS, *words)

    return start


def func_of(dataset):
    return dataset / "sub-01" / "func"


def rewrite(path, change):
    """Change the values of an image in its file."""
    image = nib.load(path)
    data = change(np.asarray(image.dataobj).copy())
    header = image.header.copy()
    header.set_data_dtype(data.dtype)
    nib.Nifti1Image(data, image.affine, header).to_filename(path)


def map_of(output):
    (path,) = (output / "sub-01" / "func").glob(f"*_contrast-{CONTRAST}_*predicted_statmap.nii.gz")
    return np.asarray(nib.load(path).dataobj)


def metrics_of(output):
    return json.loads(only(output / "sub-01" / "func", "desc-qc_metrics.json").read_text())


def flags_of(output):
    return {flag["Name"]: flag for flag in metrics_of(output)["Flags"]}


def without_upper_half(data):
    data[:, :, data.shape[2] // 2 :] = 0
    return data


def test_intact_data_have_no_flag(run):
    output, ended = run("out")
    assert ended.code == 0
    assert metrics_of(output)["Flags"] == []
    assert outcomes(output)["01"]["flags"] == "n/a"
    assert len(metrics_of(output)["SeriesHashes"]) == 1


def test_without_its_upper_half_a_series_has_no_values_there_and_its_rois_are_named(run, dataset):
    intact, _ = run("intact")
    rewrite(only(func_of(dataset), BOLD), without_upper_half)
    output, ended = run("out")
    assert ended.code == 0
    flags = flags_of(output)
    assert {"low_roi_coverage", "partial_coverage"} <= set(flags)
    assert "ROI " in flags["low_roi_coverage"]["Message"]
    assert "mm): 0%" in flags["low_roi_coverage"]["Message"]
    assert ended.err.count("low_roi_coverage: ") == 1
    assert set(outcomes(output)["01"]["flags"].split(",")) == set(flags)
    assert "flagged: " in ended.out
    # Planes of the output grid, 2 mm apart: above the last signal, and beyond the reach of the region.
    lower, upper = map_of(output)[:, :, :28], map_of(output)[:, :, 48:]
    assert not upper.any()
    np.testing.assert_array_equal(lower != 0, map_of(intact)[:, :, :28] != 0)
    assert map_of(intact)[:, :, 48:].any()
    share = metrics_of(output)["share_without_values"]
    n_lost = (map_of(intact) != 0).sum() - (map_of(output) != 0).sum()
    assert n_lost / (map_of(intact) != 0).sum() == pytest.approx(share, abs=1e-5)


def test_the_required_coverage_is_an_option(run, dataset):
    rewrite(only(func_of(dataset), BOLD), without_upper_half)
    output, ended = run("out", "--min-coverage", "0.9")
    assert ended.code == 3
    assert "at least 90% are required" in outcomes(output)["01"]["reason"]
    assert "--min-coverage" in outcomes(output)["01"]["reason"]


def test_a_rounded_series_is_flagged_with_its_number_of_values(run, dataset):
    func = func_of(dataset)
    mask = np.asarray(nib.load(only(func, MASK)).dataobj) > 0

    def round_scores(data):
        deviations = data - data.mean(axis=-1, keepdims=True)
        scores = deviations / np.maximum(data.std(axis=-1, keepdims=True), 1e-3)
        return np.rint(scores * mask[..., None]).astype(np.int16)

    rewrite(only(func, BOLD), round_scores)
    output, ended = run("out")
    assert ended.code == 0
    flag = flags_of(output)["few_distinct_values"]
    assert flag["Value"] < 13
    assert flag["Threshold"] == 256
    assert f"only {flag['Value']:.0f} distinct values" in flag["Message"]


@pytest.mark.parametrize(("n_voxels", "options", "code"), [(1, (), 0), (2, (), 3), (2, ("0",), 0)])
def test_a_displaced_mask_is_flagged_and_far_away_refused(run, dataset, n_voxels, options, code):
    rewrite(only(func_of(dataset), MASK), lambda data: np.roll(data, n_voxels, axis=1))
    words = ("--max-mask-offset", *options) if options else ()
    output, ended = run("out", *words)
    if "Dice" in outcomes(output)["01"]["reason"]:
        pytest.skip("refused by its overlap")
    assert ended.code == code
    if code:
        assert (
            "displaced by more than 15 mm are refused (--max-mask-offset)" in outcomes(output)["01"]["reason"]
        )
    else:
        flag = flags_of(output)["displaced_mask"]
        assert flag["Value"] == pytest.approx(8 * n_voxels)


def test_the_confounds_of_another_participant_are_flagged(run, dataset):
    table = only(func_of(dataset), CONFOUNDS)
    table.write_bytes(only(dataset / "sub-02" / "func", CONFOUNDS).read_bytes())
    output, ended = run("out")
    assert ended.code == 0
    assert set(flags_of(output)) == {"foreign_confounds"}
    assert flags_of(output)["foreign_confounds"]["Value"] < 0.3


def test_group_warns_of_participants_with_the_same_series(run, dataset, tmp_path):
    source, target = (only(dataset / f"sub-{label}" / "func", BOLD) for label in ("01", "02"))
    target.write_bytes(source.read_bytes())
    output, _ = run("out", "--participant-label", "01", "02", "03")
    ended = call(dataset, output, "group")
    assert ended.code == 0
    assert "sub-01 and sub-02 hold the same data" in ended.err
    assert "sub-03 " not in ended.err
    (table,) = (output / "group").glob("*_desc-qc_metrics.tsv")
    rows = {row["participant_id"]: row["flags"] for row in read_tsv(table)}
    assert rows == {"sub-01": "n/a", "sub-02": "foreign_confounds", "sub-03": "n/a"}
    assert len(maps_of(output, "02")) == 1
