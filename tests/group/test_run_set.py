"""The statistics of a set of maps are those of the planted structure."""

from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group import set_analysis
from bids_deeptaskgen.group.contrast_statistics import compute_statistics
from tests.group.dataset import AGE_PART, BLOCK, FD_PART, add_session, make_dataset
from tests.group.running import block, effect, group_path, run, sidecar, state, table
from tests.inprocess import call


@pytest.mark.parametrize("contrast", ["wm2bk", "motorLh"])
def test_mean_sd_and_count_are_those_of_the_means_of_participants(cohort, contrast):
    maps = cohort.participant_maps(contrast)
    np.testing.assert_allclose(block(cohort.folder, "mean", contrast), maps.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(block(cohort.folder, "sd", contrast), maps.std(axis=0, ddof=1), atol=1e-5)
    assert (block(cohort.folder, "count", contrast) == 24).all()
    assert sidecar(cohort.folder, "mean", contrast)["DeepTaskGen"]["NumberOfParticipants"] == 24


def test_a_planted_effect_of_age_has_its_sign_and_size(cohort):
    slope, t = effect(cohort.folder, "effect"), effect(cohort.folder, "t")
    assert slope[AGE_PART].mean() == pytest.approx(0.05, abs=0.01)
    assert abs(slope[3:].mean()) < 0.01
    assert (np.sign(slope) == np.sign(t)).all()
    assert t[AGE_PART].mean() > 3
    assert (effect(cohort.folder, "q")[AGE_PART] < 0.05).mean() > 0.5
    assert (effect(cohort.folder, "q")[3:] < 0.05).mean() < 0.05


def test_the_effect_is_that_of_least_squares(cohort):
    maps = cohort.participant_maps("wm2bk").reshape(24, -1)
    design = np.column_stack([np.ones(24), cohort.age, cohort.fd])
    coefficients, residuals, *_ = np.linalg.lstsq(design, maps, rcond=None)
    t = coefficients[1] / np.sqrt(residuals / 21 * np.linalg.inv(design.T @ design)[1, 1])
    np.testing.assert_allclose(effect(cohort.folder, "effect").ravel(), coefficients[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(effect(cohort.folder, "t").ravel(), t, rtol=1e-3, atol=1e-4)


def test_a_relation_to_motion_is_found_where_it_was_planted(cohort):
    r = block(cohort.folder, None, kind="group_qcfc_statmap")
    maps = cohort.participant_maps("wm2bk").reshape(24, -1)
    expected = [np.corrcoef(cohort.fd, column)[0, 1] for column in maps.T]
    np.testing.assert_allclose(r.ravel(), expected, atol=1e-4)
    assert r[FD_PART].mean() > 0.4
    assert r[FD_PART].mean() > r[3:7].mean() + 0.3
    rows = {row["name"]: row for row in table(cohort.folder, "group_qcfc_contrasts")}
    assert rows.keys() == {"wm2bk", "motorLh", "ROI x ROI connectome"}
    assert float(rows["wm2bk"]["share_fdr"]) > 0.1


def test_participants_are_identified_between_their_sessions(cohort):
    rows = table(cohort.folder, "group_identification")
    assert len(rows) == 2 * 3
    assert {row["pair"] for row in rows} == {"ses-1 and ses-2"}
    assert all(float(row["rate"]) == 1 and float(row["mean_rank"]) == 1 for row in rows)
    assert all(float(row["own_r"]) > 0.8 for row in rows)
    # Without the mean map, different participants are not alike.
    deviations = [row for row in rows if row["is_deviation"] == "1"]
    assert len(deviations) == 3
    assert all(abs(float(row["others_r"])) < 0.1 for row in deviations)
    assert float(rows[0]["others_r"]) > 0.2


def test_similarity_is_the_correlation_of_the_means_of_participants(cohort):
    rows = table(cohort.folder, "group_similarity")
    matrix = np.array([[float(row[other["participant_id"]]) for other in rows] for row in rows])
    expected = np.mean(
        [np.corrcoef(cohort.participant_maps(name).reshape(24, -1)) for name in ("wm2bk", "motorLh")], axis=0
    )
    np.testing.assert_allclose(matrix, expected, atol=1e-4)
    maps = cohort.participant_maps("wm2bk").reshape(24, -1)
    deviations = np.corrcoef(maps - maps.mean(axis=0))
    means = {row["contrast"]: row for row in table(cohort.folder, "group_similarity_contrasts")}
    off_diagonal = ~np.eye(24, dtype=bool)
    assert float(means["wm2bk"]["mean_r_deviations"]) == pytest.approx(
        deviations[off_diagonal].mean(), abs=1e-4
    )


def test_the_embedding_separates_planted_groups(tmp_path):
    cohort = make_dataset(
        tmp_path / "out", n=8, sessions=(None,), contrasts=("wm2bk",), individual=0.2, seed=3
    )
    # Of the age part, half of the participants have another pattern.
    pattern = np.random.default_rng(1).standard_normal(cohort.maps["01", None, None, "wm2bk"].shape)
    for label in cohort.plan.labels[:4]:
        values = cohort.maps[label, None, None, "wm2bk"] + 2 * pattern
        add_session(cohort.folder, label, None, {"wm2bk": values}, plan=cohort.plan)
    run(cohort.folder)
    first = np.array([float(row["component_1"]) for row in table(cohort.folder, "group_embedding")])
    assert len(set(np.sign(first[:4]))) == len(set(np.sign(first[4:]))) == 1
    assert first[0] * first[7] < 0


def test_runs_with_their_own_maps_are_averaged_within_sessions(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=4, sessions=("1",), runs=("1", "2"), contrasts=("wm2bk",))
    assert run(cohort.folder) == 0
    np.testing.assert_allclose(
        block(cohort.folder, "mean"), cohort.participant_maps("wm2bk").mean(axis=0), atol=1e-5
    )
    rows = table(cohort.folder, "group_identification")
    assert {row["pair"] for row in rows} == {"run-1 and run-2"}
    assert {float(row["rate"]) for row in rows} == {1}
    assert [row["run"] for row in table(cohort.folder, "group_metrics")] == ["1", "2"] * 4


def test_an_image_of_all_contrasts_gives_the_files_of_one_image_per_contrast(tmp_path):
    # Images of one contrast are listed by their names.
    same = {"n": 5, "sessions": ("1",), "seed": 5, "contrasts": ("motorLh", "wm2bk")}
    states = []
    for name, is_4d in (("3d", False), ("4d", True)):
        folder = tmp_path / name
        make_dataset(folder, is_4d=is_4d, **same)
        assert run(folder) == 0
        states.append(state(folder))
    assert states[0].keys() == states[1].keys()
    differing = [name for name in states[0] if states[0][name] != states[1][name]]
    assert differing == []


def test_blas_has_one_thread_while_maps_are_compared(output, monkeypatch):
    n_threads = []

    def compute(*args):
        n_threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return compute_statistics(*args)

    monkeypatch.setattr(set_analysis, "compute_statistics", compute)
    with threadpool_limits(limits=2, user_api="blas"):
        assert run(output) == 0
    assert set(n_threads) == {1}


def test_a_disk_without_space_for_a_contrast_is_refused_before_maps_are_read(output, monkeypatch):
    monkeypatch.setattr(set_analysis.shutil, "disk_usage", lambda folder: SimpleNamespace(free=15_000_000))
    monkeypatch.setattr(set_analysis, "fill_rows", None)
    ended = call(output.parent, output, "group", "--reports", "none")
    # Six participants and twelve sessions of 240,000 voxels.
    assert ended.code == 2
    assert f"{output / 'work'}: 18 maps of a contrast need about 0.0 GB" in ended.sentence
    assert "--work-dir" in ended.sentence
    assert not (output / "work").exists()
    set_analysis.check_disk_space(output, 15)
    with pytest.raises(UserError, match="100000 maps of a contrast need about 96.0 GB"):
        set_analysis.check_disk_space(output, 100_000)


def test_only_the_chosen_contrasts_are_used(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=4)
    assert run(cohort.folder) == 0
    assert run(cohort.folder, contrasts=("motorLh",)) == 0
    assert not group_path(cohort.folder, "group_statmap", contrast="wm2bk", stat="mean").exists()
    np.testing.assert_allclose(
        block(cohort.folder, "mean", "motorLh"), cohort.participant_maps("motorLh").mean(axis=0), atol=1e-5
    )
    assert {row["contrast"] for row in table(cohort.folder, "group_identification")} == {"motorLh"}
    with pytest.raises(UserError, match="gambling: .* The contrasts of this dataset are motorLh, wm2bk"):
        run(cohort.folder, contrasts=("gambling",))


def test_maps_have_values_in_the_block_alone(cohort):
    import nibabel as nib

    path = group_path(cohort.folder, "group_statmap", contrast="motorLh", stat="mean")
    values = np.asarray(nib.load(path).dataobj).copy()
    values[BLOCK] = 0
    assert not values.any()
