"""Tables of a session and of a group in the output of the app."""

import json

import numpy as np
import pytest

from bids_deeptaskgen import load_bundle
from bids_deeptaskgen.bids.output.report_data import load_session_images
from bids_deeptaskgen.bids.output.roi_connectome import read_roi_connectome, write_roi_connectome
from bids_deeptaskgen.bids.output.roi_parcels import read_roi_parcels, roi_parcels_path
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.connectome.qc_verdicts import metric_specs
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.tsv import read_tsv
from tests.inprocess import call, only

WORDS = (
    "--min-minutes",
    "1",
    "--min-dof",
    "5",
    "--nprocs",
    "1",
    "--nuisance-regressors",
    "none",
    "--reports=qc",
)


@pytest.fixture(scope="module")
def output(simulated, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables") / "out"
    words = ("--participant-label", "01", "02", "--contrasts", "contrast0")
    assert call(simulated, folder, "participant", "--model", model, *words, *WORDS).code == 0
    assert call(simulated, folder, "group").code == 0
    return folder


def func_of(output):
    return output / "sub-01" / "func"


def sidecar_of(table):
    return json.loads(table.with_suffix(".json").read_text())


def test_all_files_of_a_session_are_in_its_completion_record(output):
    record = json.loads(only(func_of(output), "desc-qc_metrics.json").read_text())["DeepTaskGen"]
    files = {path.name for path in func_of(output).iterdir()} - {"sub-01_task-rest_desc-qc_metrics.json"}
    listed = [*record["Files"], *record["ReportFiles"]]
    assert {file.rpartition("/")[2] for file in listed} == files
    for ending in (
        "_desc-qc_table",
        "_desc-qc_timeseries",
        "_meas-PearsonCorrelation_relmat",
        "_desc-qc_rois",
    ):
        assert {f"sub-01_task-rest{ending}.tsv", f"sub-01_task-rest{ending}.json"} <= files


@pytest.mark.parametrize("ending", ["desc-qc_table.tsv", "desc-qc_timeseries.tsv", "desc-qc_rois.tsv"])
def test_a_sidecar_describes_every_column(output, ending):
    table = only(func_of(output), ending)
    sidecar = sidecar_of(table)
    assert set(read_tsv(table)[0]) == set(sidecar)
    assert all(column["Description"] for column in sidecar.values())


def test_the_quality_table_has_a_row_with_all_metrics_and_the_verdict(output):
    (row,) = read_tsv(only(func_of(output), "desc-qc_table.tsv"))
    assert list(row) == [*metric_specs(), "verdict", "warnings", "failures", "flags"]
    assert float(row["minutes_kept"]) < 4
    assert row["verdict"] == "fail"
    assert "minutes_kept" in row["failures"].split(",")
    assert float(row["global_signal_r"]) > 0.9
    sidecar = sidecar_of(only(func_of(output), "desc-qc_table.tsv"))
    assert sidecar["minutes_kept"]["Thresholds"] == {"Warn": {"below": 5}, "Fail": {"below": 4}}


def test_the_table_of_volumes_agrees_with_the_images_of_the_page(output):
    rows = read_tsv(only(func_of(output), "desc-qc_timeseries.tsv"))
    images, facts = load_session_images(only(func_of(output), "desc-report_figures.npz"))
    (run,) = images.runs
    assert facts["Device"] == "cpu"
    assert [int(row["is_kept"]) for row in rows] == run.is_kept.astype(int).tolist()
    assert rows[0]["dvars"] == rows[0]["framewise_displacement"] == "n/a"
    np.testing.assert_allclose([float(row["dvars"]) for row in rows[1:]], run.dvars[1:], rtol=1e-5)
    assert run.is_dummy.sum() == 2
    assert (run.mean > 0).any()


def test_the_roi_connectome_is_read_with_its_rois(output, model):
    connectome = read_roi_connectome(only(func_of(output), "relmat.tsv"))
    bundle = load_bundle(model)
    n_rois = len(bundle.roi_weights)
    assert connectome.names == tuple(f"ROI{number}" for number in range(1, n_rois + 1))
    assert connectome.matrix.shape == (n_rois, n_rois)
    np.testing.assert_array_equal(connectome.matrix, connectome.matrix.T)
    np.testing.assert_array_equal(np.diag(connectome.matrix), 1)
    assert connectome.peaks_mm.shape == (n_rois, 3)
    assert connectome.roi_set == bundle.card.sha256["rois.nii.gz"]
    assert connectome.n_runs == 1
    np.testing.assert_allclose(connectome.geometry.centroids_mm, bundle.roi_geometry.centroids_mm, atol=0.006)
    np.testing.assert_allclose(connectome.geometry.spreads_mm, bundle.roi_geometry.spreads_mm, atol=0.006)
    sidecar = sidecar_of(only(func_of(output), "relmat.tsv"))
    assert sidecar["Weighted"] is True
    assert sidecar["Sources"]


def test_the_roi_connectome_of_an_earlier_version_has_no_geometry(tmp_path, output):
    source = only(func_of(output), "relmat.tsv")
    sidecar = sidecar_of(source)
    for roi in sidecar["DeepTaskGen"]["RoiConnectome"]["Rois"]:
        del roi["SpreadMm"]
    write_roi_connectome(tmp_path / "a.tsv", read_roi_connectome(source).matrix, sidecar)
    assert read_roi_connectome(tmp_path / "a.tsv").geometry is None


def test_the_parcels_of_the_rois_are_written_once_and_again_if_they_are_absent(output, simulated, model):
    roi_set = load_bundle(model).card.sha256["rois.nii.gz"]
    path = roi_parcels_path(output, roi_set)
    content = path.read_bytes()
    path.unlink()
    words = ("--model", model, "--participant-label", "01", "--contrasts", "contrast0", *WORDS)
    assert call(simulated, output, "participant", *words, "--dry-run").code == 0
    assert read_roi_parcels(output, roi_set) is None
    assert call(simulated, output, "participant", *words).code == 0
    assert path.read_bytes() == content


def test_an_roi_without_signal_is_not_a_number(tmp_path, output):
    source = only(func_of(output), "relmat.tsv")
    sidecar = sidecar_of(source)
    matrix = read_roi_connectome(source).matrix
    matrix[0, 1:] = matrix[1:, 0] = np.nan
    write_roi_connectome(tmp_path / "a.tsv", matrix, sidecar)
    np.testing.assert_array_equal(read_roi_connectome(tmp_path / "a.tsv").matrix, matrix)
    lines = (tmp_path / "a.tsv").read_text().splitlines()
    (tmp_path / "a.tsv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(InputError, match=r"a\.tsv: has"):
        read_roi_connectome(tmp_path / "a.tsv")


def test_without_pages_there_are_tables_and_no_images(simulated, settings_of, monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr("bids_deeptaskgen.connectome.session.SeriesPreviewer", refuse)
    settings = settings_of(simulated, participant_label=("01",), reports="none")
    assert participant.run(settings) == 0
    names = {path.name for path in func_of(settings.output_dir).iterdir()}
    assert "sub-01_task-rest_desc-qc_table.tsv" in names
    assert "sub-01_task-rest_meas-PearsonCorrelation_relmat.tsv" in names
    assert not {name for name in names if "timeseries" in name or name.endswith(".npz")}


def test_the_images_of_an_earlier_run_stay(simulated, settings_of):
    settings = settings_of(simulated, participant_label=("01",), contrasts=("contrast0",), reports="qc")
    assert participant.run(settings) == 0
    images = only(func_of(settings.output_dir), ".npz").read_bytes()
    settings = settings_of(simulated, participant_label=("01",), contrasts=("contrast1",), reports="none")
    assert participant.run(settings) == 0
    assert only(func_of(settings.output_dir), ".npz").read_bytes() == images
    record = only(func_of(settings.output_dir), "qc_metrics.json").read_text()
    assert "desc-report_figures.npz" in record
    assert "desc-qc_timeseries.tsv" in record


def test_the_group_has_a_table_that_joins_with_other_phenotypes(output):
    (table,) = (output / "group").glob("*_desc-idp_metrics.tsv")
    rows = read_tsv(table)
    assert [row["participant_id"] for row in rows] == ["01", "02"]
    assert [row["session_id"] for row in rows] == ["n/a", "n/a"]
    columns = set(rows[0]) - {"participant_id", "session_id"}
    assert columns == {f"deeptaskgen_rest_{name}" for name in metric_specs()}
    for row in rows:
        for name in columns:
            assert row[name] == "n/a" or np.isfinite(float(row[name]))
    assert set(sidecar_of(table)) == set(rows[0])


def test_the_joined_table_of_the_group_has_verdicts_and_a_sidecar(output):
    (table,) = (output / "group").glob("*_desc-qc_metrics.tsv")
    rows = read_tsv(table)
    assert {row["verdict"] for row in rows} == {"fail"}
    assert set(sidecar_of(table)) == set(rows[0])
