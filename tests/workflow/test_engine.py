"""How nipype schedules here: workers that die, garbage, threads, memory, plugins."""

import errno
import gc
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from nipype import Function, Node, Workflow

from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.marked_folder import mark_folder
from bids_deeptaskgen.machine import available_cpus
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.pipeline.memory_plan import MemoryPlan
from bids_deeptaskgen.pipeline.records import Job
from bids_deeptaskgen.workflow import engine
from bids_deeptaskgen.workflow.engine import threads_of
from bids_deeptaskgen.workflow.graph import make_graph
from bids_deeptaskgen.workflow.multiproc import RobustMultiProc
from bids_deeptaskgen.workflow.plugins import choose_plugin


def _die():
    import os  # nipype takes the function's source, and nothing around it

    os._exit(9)


def test_a_worker_that_dies_ends_the_run_and_does_not_hang_it(tmp_path):
    graph = Workflow("deadly", base_dir=str(tmp_path))
    graph.config["execution"]["crashdump_dir"] = str(tmp_path)
    graph.add_nodes([Node(Function(function=_die), name="die")])
    arguments = {"n_procs": 1, "mp_context": "forkserver", "poll_sleep_duration": 0.05}
    with pytest.raises(Exception, match="terminated abruptly"):
        graph.run(plugin=RobustMultiProc(arguments), plugin_args=arguments)


def _nothing():
    return 0


def test_what_libraries_hold_is_kept_out_of_the_garbage_while_nodes_are_scheduled(tmp_path, monkeypatch):
    frozen = []
    submit = RobustMultiProc._submit_job
    monkeypatch.setattr(
        RobustMultiProc,
        "_submit_job",
        lambda self, *words, **more: frozen.append(gc.get_freeze_count()) or submit(self, *words, **more),
    )
    graph = Workflow("quiet", base_dir=str(tmp_path))
    graph.add_nodes([Node(Function(function=_nothing), name="nothing")])
    arguments = {"n_procs": 1, "mp_context": "forkserver", "poll_sleep_duration": 0.05}
    graph.run(plugin=RobustMultiProc(arguments), plugin_args=arguments)
    assert min(frozen) > 100_000
    assert gc.get_freeze_count() == 0


def test_threads_depend_neither_on_participants_nor_on_processes(settings_of, tmp_path):
    # Maps depend on them in their last digits.
    threads = {threads_of(settings_of(tmp_path, nprocs=n)) for n in (1, 2, 3)}
    assert threads == {min(available_cpus(), 8)}
    assert threads_of(settings_of(tmp_path, nprocs=2, omp_nthreads=1)) == 1


def context_of(settings):
    return make_context(settings, InputDataset("fmriprep", settings.bids_dir, "fmriprep"))


def test_the_network_gets_the_threads_that_its_node_reserves(settings_of, tmp_path):
    settings = settings_of(tmp_path, chunk_size=2)
    jobs = [Job(f"0{i}", context_of(settings), tmp_path, tmp_path) for i in range(3)]
    graph = make_graph(jobs, tmp_path, MemoryPlan(jobs[0].context.bundle), n_threads=3)
    predict = [graph.get_node(f"predict{i}") for i in range(2)]
    assert [(node.inputs.n_threads, node.n_procs, len(node.inputs.jobs)) for node in predict] == [
        (3, 3, 2),
        (3, 3, 1),
    ]
    node = make_graph(jobs, tmp_path, MemoryPlan(jobs[0].context.bundle), n_threads=3, use_gpu=True).get_node(
        "predict0"
    )
    assert (node.inputs.use_gpu, node.n_procs) == (True, 1)


def test_connectomes_of_a_chunk_wait_for_the_predictions_two_chunks_earlier(tmp_path, settings_of):
    settings = settings_of(tmp_path, chunk_size=1)
    jobs = [Job(str(i), context_of(settings), tmp_path, tmp_path) for i in range(4)]
    graph = make_graph(jobs, tmp_path, MemoryPlan(jobs[0].context.bundle), n_threads=1)
    edges = {(str(a.name), str(b.name)) for a, b in graph._graph.edges()}
    assert edges == {(f"connectomes{i}", f"predict{i}") for i in range(4)} | {
        ("predict0", "connectomes2"),
        ("predict1", "connectomes3"),
    }


def test_a_plugin_that_nipype_lacks_is_a_fault_of_the_command(tmp_path, settings_of):
    plugin = tmp_path / "plugin.yml"
    plugin.write_text("plugin: SLRUM\n")
    with pytest.raises(UserError, match="no plugin SLRUM.\nAvailable: .*SLURM"):
        choose_plugin(settings_of(tmp_path, use_plugin=plugin), 3)


def follow(error, reason):
    """Return an error that was raised in the handler of another one."""
    error.__context__ = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("Traceback\n\tOSError: [Errno 5] x: '/out/a'\n"), "cannot be read or written (/out/a)"),
        (RuntimeError("OSError: [Errno 5] x\n\nThe node's file: 'b'"), "cannot be read or written (/work)"),
        (RuntimeError("[Errno 2] x: '/out/b'\n[Errno 122] x: '/out/a'"), "quota is used up (/out/a)"),
        (OSError(errno.EDQUOT, "x", "/out/a"), "the disk quota is used up (/out/a)"),
        (follow(FileNotFoundError("/b"), OSError(errno.EIO, "x")), "cannot be read or written (/work)"),
        (follow(RuntimeError("2 raised."), RuntimeError("[Errno 28] x: '/a'")), "the disk is full (/a)"),
    ],
)
def test_an_error_of_the_system_in_a_node_is_described_in_words_for_users(error, words):
    assert words in engine._find_refusal(error, Path("/work"))


def test_other_errors_in_a_node_are_logged_with_their_last_line():
    error = RuntimeError("Traceback\nValueError: odd\n")
    assert engine._find_refusal(error, Path("/work")) == ""
    assert engine._last_line(error) == "ValueError: odd"


def test_an_error_after_the_deletion_of_the_work_folder_names_the_deletion(tmp_path, settings_of):
    work = tmp_path / "work"

    def run(**_):
        shutil.rmtree(work)
        # nipype creates its folders again.
        (work / "attempt0").mkdir(parents=True)
        raise FileNotFoundError(2, "No such file or directory", str(work / "result.pklz"))

    graph = SimpleNamespace(base_dir=str(work / "attempt0"), config={"execution": {}}, run=run)
    work.mkdir()
    with pytest.raises(UserError, match="was deleted during the run"), mark_folder(work):
        engine._run_plugin(graph, settings_of(tmp_path), ("Linear", {}))
