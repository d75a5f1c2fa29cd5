"""The participant level from files to files: laws of scheduling, resuming and failing."""

import gzip
import hashlib
import json
import os
import re
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.bids.output.paths import output_layout
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.roi_projection import RoiSpace
from bids_deeptaskgen.connectome.session import compute_session_connectomes
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output, unmask
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.nn import network
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict_windows
from bids_deeptaskgen.pipeline import participant as steps
from bids_deeptaskgen.pipeline.prediction_step import predict_chunk
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.workflow.plugins import choose_plugin
from tests.workflow.conftest import DEMANDS


def statmaps(settings, desc="predicted"):
    return sorted(settings.output_dir.glob(f"sub-*/func/*_desc-{desc}_statmap.nii.gz"))


def bold_of(dataset, subject):
    return next(dataset.glob(f"sub-{subject}/func/*_bold.nii.gz"))


def test_the_graph_computes_what_plain_calls_compute_bit_for_bit(simulated, model, settings_of):
    settings = settings_of(simulated, participant_label=("02",))
    assert participant.run(settings) == 0
    bundle = load_bundle(model)
    session = collect_sessions(simulated, "02", Query())[0]
    space = RoiSpace(bundle.brain_mask, bundle.projection())
    computed = compute_session_connectomes(
        session, space, Cleaning(), DataRequirements(min_minutes=1, min_dof=5)
    )
    mean, _ = predict_windows(load_network(bundle, "cpu"), computed.connectomes)
    for contrast, values in zip(bundle.card.contrasts, mean, strict=True):
        path = next(path for path in statmaps(settings) if f"contrast-{contrast.label}_" in path.name)
        image = nib.load(path)
        # A network that ignores its input would pass whatever the graph does.
        assert values.std() > 0
        np.testing.assert_array_equal(
            image.get_fdata(dtype=np.float32), model_to_output(unmask(values, bundle.output_mask))
        )
        np.testing.assert_array_equal(image.affine, OUTPUT_GRID.matrix)
        assert image.header["intent_code"] == 0


def test_plugin_and_chunks_do_not_matter(simulated, settings_of, contents):
    item = settings_of(simulated, "linear", omp_nthreads=1)
    counterpart = settings_of(simulated, "multiproc", nprocs=2, omp_nthreads=1, chunk_size=2)
    assert (participant.run(item), participant.run(counterpart)) == (0, 0)
    assert choose_plugin(counterpart, 3)[0] == "MultiProc"
    assert contents(item) == contents(counterpart)
    # 3 maps, 2 tables of quality and an ROI connectome with sidecars, and the record
    assert len(contents(item)) == 3 * (2 * 3 + 2 * 3 + 1)


def test_nothing_is_left_in_the_work_folder(simulated, settings_of):
    settings = settings_of(simulated, participant_label=("01",))
    participant.run(settings)
    assert not (settings.output_dir / "work").exists()
    assert not list(settings.output_dir.rglob("*.tmp"))


@pytest.fixture(scope="module")
def done(simulated, model, tmp_path_factory):
    """Run all participants; return settings and files, which must not be modified."""
    output = tmp_path_factory.mktemp("done") / "out"
    settings = ParticipantSettings(simulated, output, model=str(model), nprocs=1, **DEMANDS)
    assert participant.run(settings) == 0
    return settings


def test_a_second_run_leaves_what_is_there(done, capsys):
    settings = done
    times = {path: path.stat().st_mtime_ns for path in statmaps(settings)}
    capsys.readouterr()
    assert participant.run(settings) == 0
    assert times == {path: path.stat().st_mtime_ns for path in statmaps(settings)}
    assert capsys.readouterr().out.count("present") == 3


def test_changed_input_and_missing_maps_are_done_again(dataset, settings_of, contents):
    settings = settings_of(dataset)
    participant.run(settings)
    initial_state, maps = contents(settings), statmaps(settings)
    maps[0].unlink()
    bold = bold_of(dataset, "03")
    os.utime(bold, (1, 1))
    kept_rows = next(path for path in maps if "sub-02" in path.name).stat().st_mtime_ns
    assert participant.run(settings) == 0
    after = contents(settings)
    changed = {name for name in initial_state if initial_state[name] != after[name]}
    assert {name.split("/")[0] for name in changed} == {"sub-03"}
    assert all(name.endswith("metrics.json") for name in changed)
    assert next(path for path in maps if "sub-02" in path.name).stat().st_mtime_ns == kept_rows


def test_other_settings_are_refused_unless_overwriting_is_asked_for(simulated, settings_of, contents):
    item = settings_of(simulated, participant_label=("01",))
    participant.run(item)
    initial_state = contents(item)
    windows = settings_of(simulated, participant_label=("01",), n_windows=3)
    with pytest.raises(UserError, match="other settings or another model"):
        participant.run(windows)
    assert contents(item) == initial_state
    assert (
        participant.run(settings_of(simulated, participant_label=("01",), n_windows=3, overwrite=True)) == 0
    )
    assert len(statmaps(item, "windowSD")) == 3
    assert participant.run(settings_of(simulated, participant_label=("01",), overwrite=True)) == 0
    assert contents(item) == initial_state


def test_maps_of_earlier_settings_are_gone_even_if_overwriting_is_broken_off(
    simulated, settings_of, contents, monkeypatch
):
    def stop(*arguments):
        raise KeyboardInterrupt

    item = settings_of(simulated, participant_label=("01",), n_windows=3)
    participant.run(item)
    counterpart = settings_of(simulated, participant_label=("01",), overwrite=True)
    with monkeypatch.context() as patch:
        patch.setattr("bids_deeptaskgen.pipeline.write_maps.save_nifti", stop)
        with pytest.raises(KeyboardInterrupt):
            participant.run(counterpart)
    participant.run(counterpart)
    assert statmaps(item, "windowSD") == []
    full_result = settings_of(simulated, "whole", participant_label=("01",))
    participant.run(full_result)
    assert contents(counterpart) == contents(full_result)


def test_settings_may_change_as_long_as_there_are_no_maps(simulated, settings_of):
    assert participant.run(settings_of(simulated, min_minutes=60.0)) == 3
    assert participant.run(settings_of(simulated, participant_label=("01",))) == 0


def test_a_spread_over_windows_is_written_and_is_not_zero(simulated, settings_of):
    settings = settings_of(simulated, participant_label=("01",), n_windows=4)
    participant.run(settings)
    for path in statmaps(settings, "windowSD"):
        values = nib.load(path).get_fdata()
        assert values.min() == 0
        assert values.max() > 0


def test_a_failed_participant_does_not_affect_the_others(dataset, settings_of, capsys):
    bold = bold_of(dataset, "02")
    bold.write_bytes(bold.read_bytes()[: bold.stat().st_size // 2])
    settings = settings_of(dataset)
    assert participant.run(settings) == 1
    assert {path.parts[-3] for path in statmaps(settings)} == {"sub-01", "sub-03"}
    assert not list(settings.output_dir.glob("sub-02/**/*.*"))
    assert next((settings.output_dir / "logs").glob("*_failed.txt")).read_text() == "sub-02\n"
    table = capsys.readouterr().out
    assert "the file is truncated" in table
    assert "@" in table


def test_no_usable_input_is_exit_code_3_and_leaves_no_maps(dataset, settings_of):
    for subject in ("01", "02", "03"):
        bold = bold_of(dataset, subject)
        bold.write_bytes(gzip.compress(b"no image"))
    settings = settings_of(dataset)
    assert participant.run(settings) == 3
    assert not list(settings.output_dir.glob("sub-*"))
    assert participant.run(settings_of(dataset, "none", task_id="motor")) == 3
    assert not (settings.output_dir.parent / "none").exists()


def test_an_unexpected_error_is_a_crash_of_one_participant_with_a_readable_file(
    simulated, settings_of, monkeypatch
):
    real = steps.compute_session_connectomes

    def fragile(session, *arguments, **options):
        if session.subject == "02":
            message = "surprise"
            raise ZeroDivisionError(message)
        return real(session, *arguments, **options)

    monkeypatch.setattr(steps, "compute_session_connectomes", fragile)
    settings = settings_of(simulated)
    assert participant.run(settings) == 1
    crash = settings.output_dir / "logs" / "crash-sub-02_task-rest.txt"
    assert "ZeroDivisionError: surprise" in crash.read_text()
    assert len(statmaps(settings)) == 6


def test_the_first_fault_stops_the_run_where_that_is_asked_for(dataset, settings_of):
    bold_of(dataset, "01").write_bytes(b"")
    settings = settings_of(dataset, stop_on_first_crash=True)
    assert participant.run(settings) == 1
    assert not statmaps(settings)


def test_a_dry_run_shows_the_plan_and_writes_nothing(simulated, settings_of, capsys):
    settings = settings_of(simulated, dry_run=True)
    assert participant.run(settings) == 0
    assert not settings.output_dir.exists()
    out = capsys.readouterr().out
    assert "3 participants would be processed" in out
    assert "desc-preproc_bold.nii.gz" in out


def test_maps_can_be_queried_by_contrast(done):
    result = output_layout(done.output_dir).get(contrast="contrast1", stat="z", extension=".nii.gz")
    assert len(result) == 3


def test_windows_in_a_shared_batch_return_to_their_participants(
    simulated, settings_of, contents, monkeypatch
):
    request = {"participant_label": ("01", "02"), "n_windows": 2}
    alone = settings_of(simulated, "alone", **request)
    assert participant.run(alone) == 0
    made = network.make_network
    # The dense network, as a GPU has it: four windows of two participants in batches of three.
    monkeypatch.setattr(
        network, "make_network", lambda *a, **b: replace(made(*a, **b), voxelwise=None, n_batch=3)
    )
    batched = settings_of(simulated, "batched", **request)
    assert participant.run(batched) == 0
    maps = [path.relative_to(alone.output_dir) for path in statmaps(alone)]
    assert len(maps) == 6
    for path in maps:
        item, counterpart = (
            nib.load(settings.output_dir / path).get_fdata() for settings in (alone, batched)
        )
        np.testing.assert_allclose(counterpart, item, atol=1e-5 * item.std())


def test_a_participant_finished_by_another_run_is_present(simulated, settings_of, monkeypatch, capsys):
    def twice(jobs, records, n_threads):
        predict_chunk(jobs, records, n_threads)
        return predict_chunk(jobs, records, n_threads)

    monkeypatch.setattr("bids_deeptaskgen.workflow.interfaces.predict_chunk", twice)
    settings = settings_of(simulated, participant_label=("01",))
    assert participant.run(settings) == 0
    assert "sub-01       present  3" in capsys.readouterr().out


def test_a_missing_gpu_is_reported_before_computation(simulated, settings_of):
    settings = settings_of(simulated, device="cuda:7")
    with pytest.raises(UserError, match="device cuda:7 is not available"):
        participant.run(settings)
    assert not settings.output_dir.exists()


def without_a_tensor(folder):
    weights = load_file(folder / "weights.safetensors")
    del weights["bottleneck.conv.0.bias"]
    save_file(weights, folder / "weights.safetensors")
    return "weights.safetensors"


def with_an_empty_roi(folder):
    image = nib.load(folder / "rois.nii.gz")
    maps = image.get_fdata(dtype=np.float32)
    maps[..., 1] = 0
    nib.save(nib.Nifti1Image(maps, image.affine), folder / "rois.nii.gz")
    return "rois.nii.gz"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_a_tensor, "bottleneck.conv.0.bias is missing"),
        (with_an_empty_roi, "rois.nii.gz: ROI maps 2 of"),
    ],
)
def test_an_unusable_model_ends_the_run_before_any_computation(
    simulated, settings_of, model, tmp_path, spoil, words
):
    broken = shutil.copytree(model, tmp_path / "broken")
    name = spoil(broken)
    card = json.loads((broken / "card.json").read_text("utf-8"))
    card["sha256"][name] = hashlib.sha256((broken / name).read_bytes()).hexdigest()
    (broken / "card.json").write_text(json.dumps(card), "utf-8")
    settings = settings_of(simulated, model=str(broken))
    with pytest.raises(UserError, match=re.escape(words)):
        participant.run(settings)
    assert not settings.output_dir.exists()


def test_a_network_that_cannot_be_loaded_is_reported_for_each_participant(
    simulated, settings_of, monkeypatch, capsys
):
    def refuse(*_, **__):
        raise UserError("the GPU is full.\nChoose another.")

    monkeypatch.setattr("bids_deeptaskgen.nn.inference.load_network", refuse)
    settings = settings_of(simulated, nprocs=1, participant_label=("01", "02"))
    assert participant.run(settings) != 0
    assert capsys.readouterr().out.count("the GPU is full.") == 2


def with_sessions(dataset, root):
    """Copy the first participant of a dataset to two sessions, a and b."""
    shutil.copytree(dataset, root, ignore=shutil.ignore_patterns("sub-*"))
    for session in "ab":
        func = root / "sub-01" / f"ses-{session}" / "func"
        func.mkdir(parents=True)
        for path in (dataset / "sub-01" / "func").iterdir():
            shutil.copy2(path, func / path.name.replace("sub-01_", f"sub-01_ses-{session}_"))
    return root


@pytest.mark.parametrize(
    ("of", "to", "words"),
    [("_mask.nii.gz", None, "no brain mask"), ("_timeseries.tsv", "sub-02_", "named as another participant")],
)
def test_a_failed_session_is_reported_once_and_the_other_session_is_processed(
    simulated, settings_of, tmp_path, capsys, of, to, words
):
    root = with_sessions(simulated, tmp_path / "twice")
    (invalid_sidecars,) = (root / "sub-01" / "ses-a" / "func").glob(f"*{of}")
    if to is None:
        invalid_sidecars.unlink()
    else:
        invalid_sidecars.rename(invalid_sidecars.with_name(invalid_sidecars.name.replace("sub-01_", to)))
    settings = settings_of(root)
    assert participant.run(settings) == 1
    closing = capsys.readouterr().out.partition("status")[2].splitlines()[1:3]
    assert [line.split()[:3] for line in closing] == [
        ["sub-01", "ses-a", "failed"],
        ["sub-01", "ses-b", "done"],
    ]
    assert words in closing[0]
    assert not (settings.output_dir / "sub-01" / "ses-a").exists()
    assert len(list((settings.output_dir / "sub-01" / "ses-b").rglob("*_statmap.nii.gz"))) == 3
