"""The participant level from files to files: laws of scheduling, resuming and failing."""

import gzip
import hashlib
import json
import os
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
from nipype import Function, Node, Workflow
from safetensors.numpy import load_file, save_file

from bids_deeptaskgen.bids.inputs import collect_sessions
from bids_deeptaskgen.bids.outputs import output_layout
from bids_deeptaskgen.bids.query import Query
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.core.confounds import Cleaning
from bids_deeptaskgen.core.grid import OUTPUT_GRID, model_to_output
from bids_deeptaskgen.core.person import RoiSpace, connect_person
from bids_deeptaskgen.core.plan import Demands
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.bundle import load_bundle, unmask
from bids_deeptaskgen.nn.network import load_network
from bids_deeptaskgen.nn.predict import predict_windows
from bids_deeptaskgen.workflow import connect
from bids_deeptaskgen.workflow.engine import choose_plugin, threads_of
from bids_deeptaskgen.workflow.machine import available_cpus
from bids_deeptaskgen.workflow.multiproc import SteadyMultiProc
from bids_deeptaskgen.workflow.participant import connect_gb, make_graph
from bids_deeptaskgen.workflow.predict import predict_chunk
from bids_deeptaskgen.workflow.records import Job


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
    person = connect_person(session, space, Cleaning(), Demands(min_minutes=1))
    mean, _ = predict_windows(load_network(bundle, "cpu"), person.connectomes)
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
    one = settings_of(simulated, "linear", omp_nthreads=1)
    other = settings_of(simulated, "multiproc", nprocs=2, omp_nthreads=1, chunk_size=2)
    assert (participant.run(one), participant.run(other)) == (0, 0)
    assert choose_plugin(other, 3)[0] == "MultiProc"
    assert contents(one) == contents(other)
    # 3 maps and sidecars, quality figures and their table
    assert len(contents(one)) == 3 * (2 * 3 + 2)


def test_nothing_is_left_in_the_work_folder(simulated, settings_of):
    settings = settings_of(simulated, participant_label=("01",))
    participant.run(settings)
    assert not (settings.output_dir / "work").exists()
    assert not list(settings.output_dir.rglob("*.tmp"))


def test_a_second_run_leaves_what_is_there(simulated, settings_of, capsys):
    settings = settings_of(simulated)
    participant.run(settings)
    times = {path: path.stat().st_mtime_ns for path in statmaps(settings)}
    capsys.readouterr()
    assert participant.run(settings) == 0
    assert times == {path: path.stat().st_mtime_ns for path in statmaps(settings)}
    assert capsys.readouterr().out.count("present") == 3


def test_changed_input_and_missing_maps_are_done_again(dataset, settings_of, contents):
    settings = settings_of(dataset)
    participant.run(settings)
    before, maps = contents(settings), statmaps(settings)
    maps[0].unlink()
    bold = bold_of(dataset, "03")
    os.utime(bold, (1, 1))
    kept = next(path for path in maps if "sub-02" in path.name).stat().st_mtime_ns
    assert participant.run(settings) == 0
    after = contents(settings)
    changed = {name for name in before if before[name] != after[name]}
    assert {name.split("/")[0] for name in changed} == {"sub-03"}
    assert all(name.endswith("metrics.json") for name in changed)
    assert next(path for path in maps if "sub-02" in path.name).stat().st_mtime_ns == kept


def test_other_settings_are_refused_unless_overwriting_is_asked_for(simulated, settings_of, contents):
    one = settings_of(simulated, participant_label=("01",))
    participant.run(one)
    before = contents(one)
    windows = settings_of(simulated, participant_label=("01",), n_windows=3)
    with pytest.raises(UserError, match="other settings or another model"):
        participant.run(windows)
    assert contents(one) == before
    assert (
        participant.run(settings_of(simulated, participant_label=("01",), n_windows=3, overwrite=True)) == 0
    )
    assert len(statmaps(one, "windowSD")) == 3
    assert participant.run(settings_of(simulated, participant_label=("01",), overwrite=True)) == 0
    assert contents(one) == before


def test_maps_of_earlier_settings_are_gone_even_if_overwriting_is_broken_off(
    simulated, settings_of, contents, monkeypatch
):
    def stop(*arguments):
        raise KeyboardInterrupt

    one = settings_of(simulated, participant_label=("01",), n_windows=3)
    participant.run(one)
    other = settings_of(simulated, participant_label=("01",), overwrite=True)
    with monkeypatch.context() as patch:
        patch.setattr("bids_deeptaskgen.workflow.results.save_nifti", stop)
        with pytest.raises(KeyboardInterrupt):
            participant.run(other)
    participant.run(other)
    assert statmaps(one, "windowSD") == []
    whole = settings_of(simulated, "whole", participant_label=("01",))
    participant.run(whole)
    assert contents(other) == contents(whole)


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


def test_one_persons_fault_does_not_take_the_others_along(dataset, settings_of, capsys):
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


def test_nobody_with_usable_input_is_exit_code_3_and_leaves_no_maps(dataset, settings_of):
    for subject in ("01", "02", "03"):
        bold = bold_of(dataset, subject)
        bold.write_bytes(gzip.compress(b"no image"))
    settings = settings_of(dataset)
    assert participant.run(settings) == 3
    assert not list(settings.output_dir.glob("sub-*"))
    assert participant.run(settings_of(dataset, "none", task_id="motor")) == 3
    assert not (settings.output_dir.parent / "none").exists()


def test_what_nobody_foresaw_is_one_persons_crash_with_a_readable_file(simulated, settings_of, monkeypatch):
    real = connect.connect_person

    def fragile(session, *arguments):
        if session.subject == "02":
            message = "surprise"
            raise ZeroDivisionError(message)
        return real(session, *arguments)

    monkeypatch.setattr(connect, "connect_person", fragile)
    settings = settings_of(simulated)
    assert participant.run(settings) == 1
    crash = settings.output_dir / "logs" / "crash-sub-02.txt"
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
    assert "3 people would be done" in out
    assert "desc-preproc_bold.nii.gz" in out


def test_maps_can_be_queried_by_contrast(simulated, settings_of):
    settings = settings_of(simulated)
    participant.run(settings)
    found = output_layout(settings.output_dir).get(contrast="contrast1", stat="z", extension=".nii.gz")
    assert len(found) == 3


def _die():
    import os

    os._exit(9)


def test_a_worker_that_dies_ends_the_run_and_does_not_hang_it(tmp_path, monkeypatch):
    # nipype leaves its crash file where it stands.
    monkeypatch.chdir(tmp_path)
    graph = Workflow("deadly", base_dir=str(tmp_path))
    graph.add_nodes([Node(Function(function=_die), name="die")])
    arguments = {"n_procs": 1, "mp_context": "forkserver", "poll_sleep_duration": 0.05}
    with pytest.raises(Exception, match="terminated abruptly"):
        graph.run(plugin=SteadyMultiProc(arguments), plugin_args=arguments)


def test_threads_follow_neither_from_the_people_nor_from_the_processes(settings_of, tmp_path):
    # Maps depend on them in their last digits.
    threads = {threads_of(settings_of(tmp_path, nprocs=n)) for n in (1, 2, 3)}
    assert threads == {min(available_cpus(), 8)}
    assert threads_of(settings_of(tmp_path, nprocs=2, omp_nthreads=1)) == 1


def test_the_network_gets_the_threads_that_its_node_reserves(settings_of, tmp_path):
    from bids_deeptaskgen.workflow.participant import make_graph

    settings = settings_of(tmp_path, chunk_size=2)
    jobs = [Job(f"0{i}", tmp_path, settings, tmp_path, "", tmp_path, tmp_path) for i in range(3)]
    graph = make_graph(jobs, tmp_path, n_threads=3)
    predict = [graph.get_node(f"predict{i}") for i in range(2)]
    assert [(node.inputs.n_threads, node.n_procs, len(node.inputs.jobs)) for node in predict] == [
        (3, 3, 2),
        (3, 3, 1),
    ]
    node = make_graph(jobs, tmp_path, n_threads=3, use_gpu=True).get_node("predict0")
    assert (node.inputs.use_gpu, node.n_procs) == (True, 1)


def test_a_person_whom_another_run_has_done_meanwhile_is_present(simulated, settings_of, monkeypatch, capsys):
    def twice(jobs, records, n_threads):
        predict_chunk(jobs, records, n_threads)
        return predict_chunk(jobs, records, n_threads)

    monkeypatch.setattr("bids_deeptaskgen.workflow.interfaces.predict_chunk", twice)
    settings = settings_of(simulated, participant_label=("01",))
    assert participant.run(settings) == 0
    assert "sub-01       present  3" in capsys.readouterr().out


def test_a_gpu_that_is_not_there_is_told_of_before_anything_is_computed(simulated, settings_of):
    settings = settings_of(simulated, device="cuda:7")
    with pytest.raises(UserError, match="device cuda:7 was asked for"):
        participant.run(settings)
    assert not settings.output_dir.exists()


def test_connectomes_of_a_chunk_wait_for_the_predictions_of_the_one_before_the_last(tmp_path, settings_of):
    settings = settings_of(tmp_path, chunk_size=1)
    jobs = [Job(str(i), tmp_path, settings, tmp_path, "hash", tmp_path, tmp_path) for i in range(4)]
    graph = make_graph(jobs, tmp_path, n_threads=1)
    edges = {(str(a.name), str(b.name)) for a, b in graph._graph.edges()}
    assert edges == {(f"connectomes{i}", f"predict{i}") for i in range(4)} | {
        ("predict0", "connectomes2"),
        ("predict1", "connectomes3"),
    }


def test_memory_of_connectomes_grows_with_windows():
    # Measured: 1.0 GB with one window, 2.07 with eight and 31 regressors, 3.06 with eight of four runs.
    assert 1.0 <= connect_gb(1) < 1.2
    assert connect_gb(8) == connect_gb("auto") >= 3.06


def test_a_plugin_that_nipype_lacks_is_a_fault_of_the_command(tmp_path, settings_of):
    plugin = tmp_path / "plugin.yml"
    plugin.write_text("plugin: SLRUM\n")
    with pytest.raises(UserError, match="no plugin SLRUM.\nIt has: .*SLURM"):
        choose_plugin(settings_of(tmp_path, use_plugin=plugin), 3)


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
def test_a_model_that_can_serve_nobody_ends_the_run_before_anything_is_computed(
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


def test_a_network_that_cannot_be_loaded_is_told_of_each_person(simulated, settings_of, monkeypatch, capsys):
    def refuse(*_, **__):
        raise UserError("the GPU is full.\nChoose another.")

    monkeypatch.setattr("bids_deeptaskgen.nn.network.load_network", refuse)
    settings = settings_of(simulated, nprocs=1, participant_label=("01", "02"))
    assert participant.run(settings) != 0
    assert capsys.readouterr().out.count("the GPU is full.") == 2


def with_sessions(dataset, root):
    """The first person of a dataset as one who came twice, in sessions a and b."""
    shutil.copytree(dataset, root, ignore=shutil.ignore_patterns("sub-*"))
    for session in "ab":
        func = root / "sub-01" / f"ses-{session}" / "func"
        func.mkdir(parents=True)
        for path in (dataset / "sub-01" / "func").iterdir():
            shutil.copy2(path, func / path.name.replace("sub-01_", f"sub-01_ses-{session}_"))
    return root


@pytest.mark.parametrize(
    ("of", "to", "words"),
    [("_mask.nii.gz", None, "no brain mask"), ("_timeseries.tsv", "sub-02_", "named as another person's")],
)
def test_a_session_at_fault_is_told_once_and_the_persons_other_one_is_done(
    simulated, settings_of, tmp_path, capsys, of, to, words
):
    root = with_sessions(simulated, tmp_path / "twice")
    (spoilt,) = (root / "sub-01" / "ses-a" / "func").glob(f"*{of}")
    if to is None:
        spoilt.unlink()
    else:
        spoilt.rename(spoilt.with_name(spoilt.name.replace("sub-01_", to)))
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
