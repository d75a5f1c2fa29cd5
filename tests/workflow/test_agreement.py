"""Uncertainty of maps in the app: agreement of windows and runs, and the bootstrap."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.window_halves import map_blocks, read_halves
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict_windows
from bids_deeptaskgen.pipeline import participant as steps
from bids_deeptaskgen.stats.map_agreement import pairwise_r
from tests.conftest import small_dataset

METRICS = ("window_agreement", "run_agreement", "split_half_reliability", "bootstrap_relative_sd")


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Simulate a participant with two runs that suffice for a bootstrap."""
    folder = tmp_path_factory.mktemp("agreement") / "fmriprep"
    return small_dataset(folder, n_participants=1, n_volumes=104, n_runs=2)


def table_of(settings):
    """Read the rows of the agreement table and its JSON; None without a table."""
    paths = list(settings.output_dir.glob("sub-01/func/*_desc-agreement_contrasts.tsv"))
    if not paths:
        return None
    return read_tsv(paths[0]), json.loads(paths[0].with_suffix(".json").read_text())


def completion_of(settings):
    (path,) = settings.output_dir.glob("sub-01/func/*_desc-qc_metrics.json")
    return json.loads(path.read_text())


def maps_of(files):
    return {name: content for name, content in files.items() if "_desc-predicted_statmap" in name}


def test_the_table_compares_windows_halves_and_runs(two_runs, settings_of, model):
    settings = settings_of(two_runs, n_windows=2, save_connectome=True, contrasts=("contrast1",))
    assert participant.run(settings) == 0
    (path,) = settings.output_dir.glob("sub-01/func/*_relmat.npy")
    network = load_network(load_bundle(model), "cpu")
    windows = [predict_windows(network, [connectome])[0] for connectome in np.load(path)]
    pairs = [pairwise_r(windows[i], windows[j])[1] for i in range(4) for j in range(i)]
    odd, even = windows[0] + windows[2], windows[1] + windows[3]
    half_r = pairwise_r(odd, even)[1]
    runs = pairwise_r(windows[0] + windows[1], windows[2] + windows[3])[1]
    (row,), sidecar = table_of(settings)
    assert (row["contrast"], row["n_windows"], row["n_runs"], row["bootstrap_r"]) == (
        "contrast1", "4", "2", "n/a",
    )  # fmt: skip
    assert float(row["window_r"]) == pytest.approx(np.mean(pairs), abs=1e-5)
    assert float(row["split_half_r"]) == pytest.approx(half_r, abs=1e-5)
    assert float(row["split_half_reliability"]) == pytest.approx(2 * half_r / (1 + half_r), abs=1e-5)
    assert float(row["run_r"]) == pytest.approx(runs, abs=1e-5)
    assert set(row) <= set(sidecar)
    assert sidecar["MeanMapsSubtracted"] is False
    assert "plain maps" in sidecar["window_r"]["Description"]


def test_single_runs_are_compared_for_a_full_report_and_change_no_map(two_runs, settings_of, contents):
    full = settings_of(two_runs, "full", save_connectome=True, reports="full")
    small = settings_of(two_runs, "small", save_connectome=True, reports="none")
    for settings in (full, small):
        assert participant.run(settings) == 0
    assert table_of(small) is None
    assert [completion_of(small)[name] for name in METRICS] == [None] * 4
    rows, _ = table_of(full)
    assert all(-1 <= float(row["run_r"]) <= 1 for row in rows)
    assert {row["window_r"] for row in rows} == {"n/a"}
    median = np.median([float(row["run_r"]) for row in rows])
    assert completion_of(full)["run_agreement"] == pytest.approx(median, abs=1e-5)
    listed = completion_of(full)["DeepTaskGen"]["Files"]
    assert any(name.endswith("_desc-agreement_contrasts.json") for name in listed)
    kinds = ("agreement", "qc_metrics", "qc_table", "qc_timeseries", "report_figures")
    extra = {name for name in contents(full) if any(kind in name for kind in kinds)}
    remaining = {name: content for name, content in contents(full).items() if name not in extra}
    assert remaining == {name: contents(small)[name] for name in remaining}
    (path,) = full.output_dir.glob("sub-01/func/*_relmat.npy")
    assert np.load(path).shape[0] == 1


def test_a_bootstrap_is_added_to_finished_maps_and_repeated_only_if_asked(
    two_runs, settings_of, contents, monkeypatch, capsys
):
    plain = settings_of(two_runs)
    assert participant.run(plain) == 0
    maps = maps_of(contents(plain))
    assert len(maps) == 6
    asked = settings_of(two_runs, n_bootstrap=3)
    assert participant.run(asked) == 0
    after = contents(asked)
    assert {name: after[name] for name in maps} == maps
    assert len([name for name in after if "_stat-sd_desc-bootstrapSD_statmap" in name]) == 6
    record = completion_of(asked)["DeepTaskGen"]
    assert record["Bootstrap"] == {"Resamples": 3, "RandomSeed": 0}
    assert set(record["Files"]) == set(after) - {name for name in after if "qc_metrics" in name}
    with monkeypatch.context() as patch:
        patch.setattr(steps, "compute_session_connectomes", None)
        capsys.readouterr()
        for settings in (asked, plain):
            assert participant.run(settings) == 0
            assert "present" in capsys.readouterr().out
    assert contents(plain) == after
    assert participant.run(settings_of(two_runs, n_bootstrap=3, random_seed=1)) == 0
    reseeded = contents(plain)
    assert maps_of(reseeded) == maps
    differing = {name for name in after if reseeded[name] != after[name] and name.endswith(".nii.gz")}
    assert len(differing) == 3
    assert all("bootstrapSD" in name for name in differing)


def test_more_contrasts_keep_the_bootstrap_of_an_earlier_run(two_runs, settings_of):
    participant.run(settings_of(two_runs, n_bootstrap=2, random_seed=5, contrasts=("contrast0",)))
    more = settings_of(two_runs, contrasts=("contrast1",))
    participant.run(more)
    assert len(list(more.output_dir.glob("sub-01/func/*_desc-bootstrapSD_statmap.nii.gz"))) == 2
    assert completion_of(more)["DeepTaskGen"]["Bootstrap"] == {"Resamples": 2, "RandomSeed": 5}


def test_more_contrasts_keep_the_agreement_of_runs_of_an_earlier_run(two_runs, settings_of):
    participant.run(settings_of(two_runs, reports="full", contrasts=("contrast0",)))
    before = completion_of(settings_of(two_runs))["run_agreement"]
    more = settings_of(two_runs, reports="qc", contrasts=("contrast1",))
    participant.run(more)
    assert completion_of(more)["run_agreement"] == pytest.approx(before, abs=1e-5)
    rows, _ = table_of(more)
    assert {row["contrast"] for row in rows} == {"contrast0", "contrast1"}
    assert all(row["run_r"] != "n/a" for row in rows)


def test_the_sd_of_the_bootstrap_is_that_of_the_predicted_resamples(
    two_runs, settings_of, model, monkeypatch
):
    settings = settings_of(two_runs, n_bootstrap=4, map_format="4d", reports="full")
    kept = []
    with monkeypatch.context() as patch:
        discard = steps.discard

        def keep_and_discard(path):
            if path.exists():
                kept.append(np.load(path))
            discard(path)

        patch.setattr(steps, "discard", keep_and_discard)
        assert participant.run(settings) == 0
    (connectomes,) = kept
    # The map's, those of two runs, four resamples.
    assert len(connectomes) == 7
    network = load_network(load_bundle(model), "cpu")
    _, sd = predict_windows(network, connectomes[3:])
    (path,) = settings.output_dir.glob("sub-01/func/*_stat-sd_desc-bootstrapSD_statmap.nii.gz")
    image = np.asanyarray(nib.load(path).dataobj)
    assert image.shape[3] == 3
    assert np.sort(image[image != 0]) == pytest.approx(np.sort(sd[sd != 0]), rel=1e-6)
    sidecar = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())
    assert sidecar["DeepTaskGen"]["Bootstrap"]["BlocksPerRun"] == [10, 10]
    assert sidecar["Description"].startswith("Standard deviation, voxel by voxel, of the task-contrast maps")
    mean, _ = predict_windows(network, connectomes[:1])
    rows, _ = table_of(settings)
    for number, row in enumerate(rows):
        relative = sd[number].mean() / mean[number].std()
        assert float(row["bootstrap_relative_sd"]) == pytest.approx(relative, rel=1e-4)


def test_a_run_that_is_too_short_has_maps_and_a_flag_but_no_bootstrap(simulated, settings_of, caplog):
    settings = settings_of(simulated, participant_label=("01",), n_bootstrap=3)
    assert participant.run(settings) == 0
    assert len(list(settings.output_dir.glob("sub-01/func/*_desc-predicted_statmap.nii.gz"))) == 3
    assert not list(settings.output_dir.glob("sub-01/func/*bootstrap*"))
    (flag,) = completion_of(settings)["Flags"]
    assert flag["Name"] == "too_short_for_bootstrap"
    assert "no bootstrap, since the shortest run has" in caplog.text
    assert table_of(settings) is None


def test_a_plan_states_the_bootstrap(two_runs, settings_of, capsys):
    participant.run(settings_of(two_runs, n_bootstrap=20, dry_run=True))
    assert "Bootstrap: 20 resamples" in capsys.readouterr().out
    participant.run(settings_of(two_runs, dry_run=True))
    assert "Bootstrap" not in capsys.readouterr().out


def test_coarse_maps_of_both_halves_are_block_means_of_the_mean_maps(two_runs, settings_of, model):
    settings = settings_of(two_runs, n_windows=2, save_connectome=True, contrasts=("contrast1",))
    assert participant.run(settings) == 0
    (path,) = settings.output_dir.glob("sub-01/func/*_relmat.npy")
    bundle = load_bundle(model)
    network = load_network(bundle, "cpu")
    windows = [predict_windows(network, [maps])[0] for maps in np.load(path)]
    (file,) = settings.output_dir.glob("sub-01/func/*_desc-halves_maps.npz")
    halves = read_halves(file)
    assert (halves.contrasts, halves.n_windows) == (("contrast1",), (2, 2))
    record = completion_of(settings)["DeepTaskGen"]
    assert record["ReportFiles"] == [file.relative_to(settings.output_dir).as_posix()]
    means, blocks = map_blocks(bundle.output_mask)
    number = [contrast.label for contrast in bundle.card.contrasts].index("contrast1")
    np.testing.assert_array_equal(halves.blocks, blocks)
    for half, pair in zip(halves.values, (windows[:2], windows[2:]), strict=True):
        expected = means.apply(np.mean(pair, axis=0))[[number]]
        has_value = np.isfinite(half)
        assert has_value.mean() > 0.5
        # Blocks at the border of a region without values average fewer voxels.
        is_close = np.isclose(half, expected, atol=1e-4 * np.abs(expected).max())
        assert is_close[has_value].mean() > 0.95


def test_one_window_has_no_halves(two_runs, settings_of):
    settings = settings_of(two_runs, contrasts=("contrast1",), combine_runs=False)
    assert participant.run(settings) == 0
    assert not list(settings.output_dir.rglob("*_desc-halves_maps.npz"))
