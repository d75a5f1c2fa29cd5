"""--save-connectome: what the network saw stays in the dataset, and a resumed run knows of it."""

import json
import os

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.bids.output.connectome_files import (
    check_connectomes,
    find_connectomes,
    read_window,
)
from bids_deeptaskgen.bids.output.paths import output_layout, sidecar_path
from bids_deeptaskgen.commands import participant, predict
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.roi_projection import RoiSpace
from bids_deeptaskgen.connectome.session import compute_session_connectomes
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, Grid, unmask
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict_windows
from bids_deeptaskgen.pipeline import participant as steps
from bids_deeptaskgen.settings.prediction import PredictSettings
from tests.bundles import brain_bundle
from tests.conftest import N_SIMULATED


def test_what_is_kept_is_what_the_network_saw_window_by_window(simulated, model, settings_of):
    settings = settings_of(simulated, participant_label=("02",), n_windows=3, save_connectome=True)
    assert participant.run(settings) == 0
    bundle = load_bundle(model)
    (file,) = find_connectomes(settings.output_dir)
    space = RoiSpace(bundle.brain_mask, bundle.projection())
    computed = compute_session_connectomes(
        collect_sessions(simulated, "02", Query())[0],
        space,
        Cleaning(),
        DataRequirements(min_minutes=1, min_dof=5, n_windows=3),
    )
    windows = [read_window(file, number) for number in range(3)]
    np.testing.assert_array_equal(windows, computed.connectomes)
    assert windows[0].std() > 0
    mean, _ = predict_windows(load_network(bundle, "cpu"), windows)
    path = next(settings.output_dir.glob("sub-02/func/*_contrast-contrast1_stat-z_*.nii.gz"))
    written_text = nib.as_closest_canonical(nib.load(path)).get_fdata(dtype=np.float32)
    placed = np.zeros_like(written_text)
    placed[8:84, 9:102, :78] = unmask(mean, bundle.output_mask)[1][::-1]
    np.testing.assert_array_equal(written_text, placed)


def test_the_file_says_what_it_is(simulated, model, settings_of):
    settings = settings_of(simulated, participant_label=("01",), save_connectome=True)
    participant.run(settings)
    bundle = load_bundle(model)
    (file,) = find_connectomes(settings.output_dir)
    assert file.path.name == (
        "sub-01_task-rest_space-MNI152NLin6Asym_res-2_stat-r_desc-connectome_relmat.npy"
    )
    assert (file.subject, file.session, file.entities) == ("01", None, (("task", "rest"),))
    n_voxels = int(bundle.brain_mask.sum())
    assert (file.n_windows, file.n_rois, file.n_voxels) == (1, 6, n_voxels)
    assert file.roi_set == bundle.card.sha256["rois.nii.gz"]
    assert file.brain_mask == bundle.card.sha256["brain_mask.nii.gz"]
    assert file.grid == MODEL_GRID
    # Volumes of 2 s, of which two are dummies.
    assert file.window_minutes == pytest.approx((N_SIMULATED - 2) * 2 / 60)
    content = json.loads(sidecar_path(file.path).read_text())
    assert content["DeepTaskGen"]["Connectome"]["Axes"] == ["window", "roi", "voxel"]
    assert any(source.endswith("_desc-preproc_bold.nii.gz") for source in content["Sources"])
    mask = nib.load(next(settings.output_dir.glob("space-*_desc-connectome_mask.nii.gz")))
    np.testing.assert_array_equal(np.asarray(mask.dataobj) != 0, bundle.brain_mask)
    np.testing.assert_array_equal(mask.affine, MODEL_GRID.matrix)
    check_connectomes([file], bundle.card)


def test_windows_tell_how_long_they_are_where_runs_are_pooled_and_where_they_are_cut(tmp_path, model):
    from bids_deeptaskgen.pipeline.write_maps import _window_minutes

    runs = [{"n_volumes_kept": 120, "t_r": 1.0}, {"n_volumes_kept": 60, "t_r": 2.0}]
    assert _window_minutes({"runs": runs, "n_windows": 1, "n_connectomes": 1}) == [4.0]
    assert _window_minutes({"runs": runs, "n_windows": 2, "n_connectomes": 4}) == [1.0] * 4


def test_nothing_is_kept_unless_it_is_asked_for(simulated, settings_of):
    settings = settings_of(simulated, participant_label=("01",))
    participant.run(settings)
    assert not list(settings.output_dir.rglob("*connectome*"))
    with pytest.raises(
        InputError, match=r"no connectomes were found .*\nCompute them with .*--save-connectome"
    ):
        find_connectomes(settings.output_dir)


def test_a_finished_session_is_done_again_for_its_connectome_and_for_that_alone(
    simulated, settings_of, contents, monkeypatch, capsys
):
    plain = settings_of(simulated, participant_label=("01",))
    saving = settings_of(simulated, participant_label=("01",), save_connectome=True)
    participant.run(plain)
    initial_state = contents(plain)
    assert participant.run(saving) == 0
    after = contents(saving)
    maps = {name for name in initial_state if name.endswith(".nii.gz")}
    assert {name: after[name] for name in maps} == {name: initial_state[name] for name in maps}
    (file,) = find_connectomes(saving.output_dir)

    def never(*arguments, **options):
        raise AssertionError

    monkeypatch.setattr(steps, "compute_session_connectomes", never)
    capsys.readouterr()
    for settings in (saving, plain):
        assert participant.run(settings) == 0
        assert "present" in capsys.readouterr().out
        assert contents(settings) == after


def test_a_lost_connectome_is_made_again(simulated, settings_of, contents):
    settings = settings_of(simulated, participant_label=("01",), save_connectome=True)
    participant.run(settings)
    initial_state = contents(settings)
    (file,) = find_connectomes(settings.output_dir)
    file.path.unlink()
    assert participant.run(settings) == 0
    assert contents(settings) == initial_state


def test_it_stays_when_more_maps_are_asked_for_and_goes_when_the_settings_change(simulated, settings_of):
    one = {"participant_label": ("01",), "contrasts": ("contrast0",)}
    participant.run(settings_of(simulated, save_connectome=True, **one))
    more = settings_of(simulated, participant_label=("01",))
    participant.run(more)
    assert len(list(more.output_dir.glob("sub-01/func/*_desc-predicted_statmap.nii.gz"))) == 3
    (file,) = find_connectomes(more.output_dir)
    participant.run(settings_of(simulated, n_windows=2, overwrite=True, **one))
    assert not file.path.exists()
    assert not sidecar_path(file.path).exists()


def test_a_run_that_dies_while_it_writes_leaves_no_json_beside_an_array_that_is_not_its_own(
    simulated, settings_of, monkeypatch
):
    one = settings_of(simulated, participant_label=("01",), save_connectome=True)
    participant.run(one)
    (file,) = find_connectomes(one.output_dir)

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bids_deeptaskgen.bids.output.connectome_files.write_json", stop)
        counterpart = settings_of(
            simulated, participant_label=("01",), n_windows=2, save_connectome=True, overwrite=True
        )
        with pytest.raises(KeyboardInterrupt):
            participant.run(counterpart)
    assert np.load(file.path, mmap_mode="r").shape[0] == 2
    assert not sidecar_path(file.path).exists()


def test_pybids_finds_connectomes_by_their_entities(simulated, settings_of):
    settings = settings_of(simulated, participant_label=("01", "02"), save_connectome=True)
    participant.run(settings)
    result = output_layout(settings.output_dir).get(
        suffix="relmat", desc="connectome", stat="r", task="rest", subject="02", extension=".npy"
    )
    assert [item.path for item in result] == [str(find_connectomes(settings.output_dir, ["02"])[0].path)]
    assert result[0].get_metadata()["DeepTaskGen"]["Connectome"]["Units"] == "Pearson r"


def test_one_image_without_bids_has_its_connectome_too(simulated, model, tmp_path):
    bold = next(simulated.glob("sub-01/func/*_desc-preproc_bold.nii.gz"))
    mask = bold.with_name(bold.name.replace("preproc_bold", "brain_mask"))
    settings = PredictSettings(
        bold=bold, out=tmp_path / "out", mask=mask, model=str(model), nuisance_regressors="none",
        min_minutes=1.0, min_dof=5, nprocs=1, save_connectome=True,
    )  # fmt: skip
    assert predict.run(settings) == 0
    assert len(find_connectomes(tmp_path / "out")) == 1


@pytest.fixture(scope="module")
def saved(simulated, model, tmp_path_factory):
    """Compute a dataset of two participants with connectomes; do not modify it."""
    from bids_deeptaskgen.settings.participant import ParticipantSettings

    out = tmp_path_factory.mktemp("saved") / "out"
    participant.run(
        ParticipantSettings(
            simulated, out, participant_label=("01", "02"), model=str(model), nprocs=1, min_minutes=1.0,
            min_dof=5, save_connectome=True, contrasts=("contrast0",),
        )
    )  # fmt: skip
    return out


def copied(saved, tmp_path):
    """Copy only the connectomes and their JSON files to another folder."""
    files = [path for path in saved.rglob("*_relmat.*") if path.suffix in (".npy", ".json")]
    for path in files:
        there = tmp_path / path.relative_to(saved)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(path.read_bytes())
    return find_connectomes(tmp_path)


def test_connectomes_are_found_in_a_copy_of_them_alone(saved, tmp_path):
    assert [file.name for file in copied(saved, tmp_path)] == ["sub-01", "sub-02"]


@pytest.mark.parametrize("spoil", ["truncated", "shape", "gone", "json"])
def test_an_array_that_is_not_what_its_json_says_is_left_out_or_refused_if_alone(
    saved, tmp_path, caplog, spoil
):
    file, counterpart = copied(saved, tmp_path)
    if spoil == "truncated":
        os.truncate(file.path, file.path.stat().st_size - 1)
    elif spoil == "shape":
        np.save(file.path, np.zeros((1, 5, file.n_voxels), np.float32))
    elif spoil == "gone":
        file.path.unlink()
    else:
        sidecar_path(file.path).write_text("{}")
    assert find_connectomes(tmp_path) == [counterpart]
    assert "This session is left out." in caplog.text
    with pytest.raises(InputError, match="sub-01.*\n.*re-run this participant with --save-connectome"):
        find_connectomes(tmp_path, ["01"])
    if spoil != "json":
        with pytest.raises(InputError):
            read_window(file, 0)


def test_a_window_that_is_not_there_is_refused(saved):
    file = find_connectomes(saved)[0]
    for window in (-1, 1):
        with pytest.raises(IndexError, match="no window"):
            read_window(file, window)


def test_connectomes_of_another_roi_set_or_of_mixed_settings_are_refused(saved, model, tmp_path):
    from dataclasses import replace

    files = find_connectomes(saved)
    card = load_bundle(model).card
    check_connectomes(files, card)
    counterpart = replace(card, sha256=card.sha256 | {"rois.nii.gz": "0" * 64})
    with pytest.raises(InputError, match="another ROI set .* so were 2 of 2 connectomes"):
        check_connectomes(files, counterpart)
    counterpart = replace(card, sha256=card.sha256 | {"brain_mask.nii.gz": "0" * 64})
    with pytest.raises(InputError, match="another brain mask"):
        check_connectomes(files, counterpart)
    grid = Grid.from_image(MODEL_GRID.shape, MODEL_GRID.matrix @ np.diag([-1, 1, 1, 1]))
    with pytest.raises(InputError, match="by its JSON: it has axes RAS, not LAS, is shifted by 150 mm"):
        check_connectomes([files[0], replace(files[1], grid=grid)], card)
    with pytest.raises(InputError, match="2 different settings"):
        check_connectomes([files[0], replace(files[1], settings_hash="x")], card)


def test_a_bundle_with_other_weights_and_the_same_rois_takes_them(saved, tmp_path):
    brain_bundle(tmp_path / "other", seed=1)
    check_connectomes(find_connectomes(saved), load_bundle(tmp_path / "other").card)
