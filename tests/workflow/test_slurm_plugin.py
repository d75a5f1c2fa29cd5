"""The SLURM plugin with a stand-in for Slurm's commands; `tests/slurm` uses a real Slurm."""

import errno
import os

import pytest
from nipype import MapNode, Node, Workflow

from bids_deeptaskgen.bids.output.dataset_files import dataset_settings_hash
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.workflow import batch, engine, job_list, plugins, slurm, slurm_queue
from bids_deeptaskgen.workflow.batch import BatchFolders
from bids_deeptaskgen.workflow.batch_systems import make_batch_plugin
from bids_deeptaskgen.workflow.job_list import JobList
from bids_deeptaskgen.workflow.plugins import make_plugin
from bids_deeptaskgen.workflow.slurm import RobustSLURM
from bids_deeptaskgen.workflow.slurm_queue import SlurmError
from bids_deeptaskgen.workflow.work_folder import private_folder
from tests.processes import ROOT, leftovers
from tests.workflow import slurm_stand_in
from tests.workflow.counting_node import CountingInterface

POLL_S = 0.2


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Install Slurm's commands, and shorten all times."""
    folder = slurm_stand_in.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("LOGNAME", raising=False)
    monkeypatch.setattr(plugins, "BATCH_POLL_S", POLL_S)
    monkeypatch.setattr(slurm, "KILLED_GRACE_S", 0.0)
    monkeypatch.setattr(slurm_queue, "LEAVE_POLL_S", 0.05)
    yield folder
    for path in folder.glob("*.name"):
        slurm_stand_in.cancel(folder, path.stem)


@pytest.fixture
def run_nodes(tmp_path, stand_in):
    """Run a chain of nodes, and further nodes that do not depend on it; return the plugin."""

    def run(names, chain=(), poll_s=POLL_S, **arguments):
        work = tmp_path / "run"
        work.mkdir(exist_ok=True)
        graph = Workflow("counting", base_dir=str(work / "graph"))
        graph.config["execution"] = {
            "crashdump_dir": str(tmp_path / "logs"),
            "crashfile_format": "txt",
            "poll_sleep_duration": str(poll_s),
        }
        nodes = {name: Node(CountingInterface(folder=tmp_path, name=name), name=name) for name in names}
        graph.add_nodes(list(nodes.values()))
        for first, second in zip(chain, chain[1:], strict=False):
            graph.connect(nodes[first], "records", nodes[second], "predecessor")
        plugin = RobustSLURM(BatchFolders(work, tmp_path / "logs"), arguments, poll_s)
        graph.run(plugin=plugin)
        return plugin

    return run


def counts(folder):
    """Return how often each node ran."""
    return {
        path.name: path.read_text().count("ran") for path in folder.iterdir() if path.name.startswith("n")
    }


def test_lost_jobs_cost_their_participants_only(
    simulated, settings_of, contents, stand_in, tmp_path, capsys, monkeypatch
):
    alone = settings_of(simulated, "alone", chunk_size=1, omp_nthreads=1)
    assert participant.run(alone) == 0
    plugin = tmp_path / "plugin.yml"
    plugin.write_text("plugin: SLURM\n")
    # The network of the third chunk waits for that of the first one.
    (stand_in / "deaths").write_text("sub-02-connectomes FAILED\npredict0 TIMEOUT\n")
    capsys.readouterr()
    settings = settings_of(simulated, use_plugin=plugin, chunk_size=1, omp_nthreads=1)
    arguments = []
    monkeypatch.setattr(engine, "make_plugin", lambda *words: arguments.append(words) or make_plugin(*words))
    assert participant.run(settings) == 1
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if " maps " not in line}
    assert "TIMEOUT" in rows["sub-01"]
    assert "--time in `sbatch_args`" in rows["sub-01"]
    assert "OUT_OF_MEMORY (limit --mem=900M)" in rows["sub-02"]
    lost_log = next(settings.output_dir.glob("logs/slurm-*_deeptaskgen-sub-02-connectomes-*.log"))
    assert str(lost_log) in rows["sub-02"]
    assert " done " in rows["sub-03"]
    maps = contents(settings)
    assert {name.split("/")[0] for name in maps} == {"sub-03"}
    assert maps == {name: content for name, content in contents(alone).items() if name in maps}
    assert next(settings.output_dir.glob("logs/*_failed.txt")).read_text() == "sub-01\nsub-02\n"
    # Jobs register with the claim of their run, and no file of that stays.
    assert arguments[0][3:] == (settings.output_dir, dataset_settings_hash(settings.output_dir))
    assert leftovers(settings.output_dir / "logs") == []
    # The connectomes of the first participant wait for the next run, and nothing else.
    waiting = {
        path.name.split("_")[0] for path in (settings.output_dir / "work").rglob("*") if path.is_file()
    }
    assert waiting == {"sub-01"}


def test_jobs_that_are_refused_for_now_are_submitted_once_later(run_nodes, stand_in, tmp_path):
    messages = [
        "Unable to contact slurm controller",
        "QOSMaxSubmitJobPerUserLimit",
        slurm_stand_in.LOST_ANSWER,
    ]
    (stand_in / "sbatch.failures").write_text("\n".join(messages))
    (stand_in / "squeue.failures").write_text("Socket timed out on send/recv operation\n")
    run_nodes(["n1", "n2"])
    assert counts(tmp_path) == {"n1": 1, "n2": 1}
    # Two refusals, the submission whose answer was lost, and that of the other node.
    assert len(slurm_stand_in.calls(stand_in, "sbatch")) == 4
    assert len(list(stand_in.glob("*.name"))) == 2


def test_a_refused_job_is_a_loss_with_the_words_of_sbatch(run_nodes, stand_in, tmp_path):
    (stand_in / "sbatch.failures").write_text("invalid partition specified: lnog\n")
    run_nodes(["n1", "n2"], ["n1", "n2"])
    loss = (tmp_path / "n1.loss").read_text()
    assert "invalid partition specified: lnog" in loss
    assert "`sbatch_args`" in loss
    assert counts(tmp_path) == {"n1.loss": 0, "n2": 1}


def test_an_exception_in_a_job_is_a_loss_too(run_nodes, tmp_path):
    run_nodes(["error1", "n2"], ["error1", "n2"])
    assert "ValueError: as the test wants" in (tmp_path / "error1.loss").read_text()
    assert counts(tmp_path) == {"n2": 1}
    assert list((tmp_path / "logs").glob("crash-*error1*"))


def test_a_controller_that_never_answers_ends_the_run_with_its_message(
    run_nodes, stand_in, tmp_path, monkeypatch
):
    monkeypatch.setattr(slurm, "OUTAGE_S", 0.5)
    monkeypatch.setattr(slurm, "GRACE_S", 0.0)
    monkeypatch.setattr(job_list, "LEAVE_TIMEOUT_S", 0.1)
    (stand_in / "deaths").write_text("n1 RUNNING\n")
    (stand_in / "squeue.failures").write_text("Connection refused\n" * 1000)
    run_nodes(["n1"])
    assert "Connection refused" in (tmp_path / "n1.loss").read_text()
    # The job may still run, so that the next run must end it.
    assert JobList(tmp_path / "run").path.exists()


def test_jobs_are_asked_about_again_once_the_controller_answers(run_nodes, stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "OUTAGE_S", 0.5)
    monkeypatch.setattr(slurm, "GRACE_S", 0.0)
    (stand_in / "deaths").write_text("n1 RUNNING\n")
    failures = stand_in / "squeue.failures"
    failures.write_text("Connection refused\n" * 1000)
    record_loss = RobustSLURM._fail

    def fail(plugin, task, reason):
        failures.unlink(missing_ok=True)
        return record_loss(plugin, task, reason)

    monkeypatch.setattr(RobustSLURM, "_fail", fail)
    run_nodes(["n1", "n2"], ["n1", "n2"])
    assert "Connection refused" in (tmp_path / "n1.loss").read_text()
    assert counts(tmp_path) == {"n1.loss": 0, "n2": 1}


def test_a_job_is_watched_although_its_id_cannot_be_written_down(run_nodes, stand_in, tmp_path, monkeypatch):
    def add(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(JobList, "add", add)
    (stand_in / "sbatch.failures").write_text(f"{slurm_stand_in.LOST_ANSWER}\n")
    run_nodes(["n1", "n2"])
    assert counts(tmp_path) == {"n1": 1, "n2": 1}
    assert len(list(stand_in.glob("*.name"))) == 2


@pytest.mark.parametrize(
    "arguments", [{"sbatch_args": "--quiet"}, {"jobid_re": "job number (.*)"}, {"jobid_re": "Submitted"}]
)
def test_a_job_whose_id_is_not_printed_is_found_by_its_name(run_nodes, stand_in, tmp_path, arguments):
    run_nodes(["n1"], **arguments)
    assert counts(tmp_path) == {"n1": 1}
    assert len(list(stand_in.glob("*.name"))) == 1


@pytest.mark.parametrize(
    ("refusal", "is_temporary"),
    [
        ("Batch job submission failed: Job violates accounting/QOS policy (AssocGrpSubmitJobsLimit)", True),
        ("QOSGrpSubmitJobsLimit", True),
        ("QOSMaxSubmitJobPerUserLimit", True),
        ("AssocMaxSubmitJobLimit", True),
        ("invalid partition specified: lnog", False),
    ],
)
def test_limits_of_the_number_of_jobs_are_refusals_for_now(stand_in, refusal, is_temporary):
    (stand_in / "sbatch.failures").write_text(f"{refusal}\n")
    with pytest.raises(SlurmError) as error:
        slurm_queue.submit(["script.sh"])
    assert error.value.is_temporary == is_temporary


@pytest.mark.parametrize(
    "state",
    [
        "PENDING JobHeldUser",
        "PENDING DependencyNeverSatisfied",
        "PENDING JobHoldMaxRequeue",
        "PENDING launch_failed_requeued_held",
        "SPECIAL_EXIT job requeued in held state",
        "REQUEUE_HOLD job_requeued_in_held_state",
    ],
)
def test_the_user_is_warned_once_of_a_job_that_never_starts(stand_in, tmp_path, caplog, state):
    plugin, task = watch_waiting_job(stand_in, tmp_path, state)
    for _ in range(2):
        assert plugin._get_result(1) is None
    assert caplog.text.count(f"does not start: {state.partition(' ')[2]}") == 1
    assert task.job_id in caplog.text


def test_the_folder_of_a_run_whose_jobs_wait_for_days_is_not_stale(stand_in, tmp_path):
    work = tmp_path / "run-elsewhere-7"
    plugin, task = watch_waiting_job(stand_in, work, "RUNNING None")
    JobList(work).add(task.job_id, task.name)
    for path in (*work.iterdir(), work):
        os.utime(path, (0, 0))
    assert plugin._get_result(1) is None
    with private_folder(tmp_path, keep=True):
        assert work.exists()
    assert slurm_stand_in.state_of(stand_in, task.job_id) == "RUNNING None"


def watch_waiting_job(stand_in, work, state):
    """Return a plugin that watches a job in this state, and its task."""
    work.mkdir(exist_ok=True)
    (stand_in / "deaths").write_text("waiting RUNNING\n")
    job_id = slurm_stand_in.submit(stand_in, "waiting", os.devnull, "script")
    slurm_stand_in.set_state(stand_in, job_id, state)
    plugin = RobustSLURM(BatchFolders(work, work / "logs"), {}, 0.0)
    plugin._tasks[1] = batch.Task(None, "waiting", job_id)
    return plugin, plugin._tasks[1]


def test_squeue_is_called_once_per_poll_for_all_jobs(run_nodes, stand_in, monkeypatch):
    n_polls = []
    submit_ready = RobustSLURM._send_procs_to_workers
    monkeypatch.setattr(
        RobustSLURM,
        "_send_procs_to_workers",
        lambda self, **words: n_polls.append(1) or submit_ready(self, **words),
    )
    # Long enough for a busy machine to look at both jobs.
    run_nodes(["n1", "n2"], poll_s=2.0)
    calls = [line for line in slurm_stand_in.calls(stand_in, "squeue") if "--states=all" in line]
    # The first poll is that before the submission.
    assert len(calls) <= len(n_polls) - 1
    assert len(calls[0].rpartition("=")[2].split(",")) == 2


def test_jobs_get_their_node_s_memory_and_names_and_the_user_s_options(run_nodes, stand_in):
    run_nodes(
        ["n1"], sbatch_args="--partition=long --cpus-per-task 3", template="#!/bin/sh\n#SBATCH --mem=2G"
    )
    words = slurm_stand_in.calls(stand_in, "sbatch")[0].split()
    assert "--partition=long" in words
    assert [word for word in words if word.startswith(("--mem", "--cpus"))] == ["--cpus-per-task"]
    assert next(word for word in words if word.startswith("--job-name=deeptaskgen-n1-"))
    # Their log, as long as they run.
    assert next(word for word in words if word.startswith("--output=") and "/logs/slurm-%j_" in word)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_cancels_its_jobs(run_nodes, stand_in, tmp_path, monkeypatch, error):
    (stand_in / "deaths").write_text("n1 RUNNING\nn2 RUNNING\n")
    refresh = RobustSLURM._refresh

    def interrupt(plugin):
        refresh(plugin)
        raise error

    monkeypatch.setattr(RobustSLURM, "_refresh", interrupt)
    with pytest.raises(error):
        run_nodes(["n1", "n2"])
    assert [slurm_stand_in.state_of(stand_in, job_id) for job_id in ("100", "101")] == ["CANCELLED"] * 2
    assert not JobList(tmp_path / "run").path.exists()


def test_the_next_run_ends_jobs_of_a_dead_one_and_no_others(stand_in, tmp_path):
    (stand_in / "deaths").write_text("deeptaskgen RUNNING\nother RUNNING\n")
    for name in ("deeptaskgen-1", "deeptaskgen-2", "other"):
        slurm_stand_in.submit(stand_in, name, os.devnull, "script")
    with private_folder(tmp_path / "work", keep=True) as folder:
        dead = folder.with_name(folder.name.rpartition("-")[0] + "-999999999")
        dead.mkdir()
        jobs = JobList(dead)
        jobs.add("100", "deeptaskgen-1")
        # The second was submitted, but its id was not recorded; the third id has another name.
        jobs.announce("deeptaskgen-2")
        jobs.add("102", "deeptaskgen-3")
    with private_folder(tmp_path / "work", keep=True):
        states = [slurm_stand_in.state_of(stand_in, str(100 + i)) for i in range(3)]
        assert states == ["CANCELLED", "CANCELLED", "RUNNING"]
        assert not dead.exists()


def test_a_folder_is_kept_while_its_jobs_may_run(stand_in, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(job_list, "LEAVE_TIMEOUT_S", 0.0)
    (stand_in / "squeue.failures").write_text("Connection refused\n" * 1000)
    with private_folder(tmp_path / "work", keep=True) as folder:
        dead = folder.with_name(folder.name.rpartition("-")[0] + "-999999999")
        dead.mkdir()
        JobList(dead).add("100", "deeptaskgen-1")
    with private_folder(tmp_path / "work", keep=True):
        assert dead.exists()
    assert "may still be in the queue: 100" in caplog.text


def test_jobs_of_an_earlier_process_with_the_same_number_are_named(stand_in, tmp_path, monkeypatch, caplog):
    with private_folder(tmp_path / "work", keep=True) as folder:
        pass
    folder.mkdir()
    JobList(folder).add("100", "deeptaskgen-1")
    monkeypatch.setattr(job_list, "LEAVE_TIMEOUT_S", 0.0)
    (stand_in / "squeue.failures").write_text("Connection refused\n" * 1000)
    with private_folder(tmp_path / "work", keep=True):
        assert "scancel 100" in caplog.text


def test_only_files_with_the_id_of_a_job_are_its_logs(tmp_path):
    work = tmp_path / "run"
    work.mkdir()
    for name in ("node.o17", "_0x1789.json", "result_17.pklz", "node.o170", "script17.sh", "17.out"):
        (work / name).write_text(name)
    plugin = make_batch_plugin("PBS", BatchFolders(work, tmp_path / "logs"), {})
    plugin._keep_logs(batch.Task(None, "name", 17))
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"name_node.o17", "name_17.out"}


def test_lost_jobs_of_other_batch_systems_are_losses_too(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "GRACE_S", 0.0)
    monkeypatch.setenv("LOGNAME", "user")
    work, current = tmp_path / "run", tmp_path / "current"
    work.mkdir()
    current.mkdir()
    monkeypatch.chdir(current)
    graph = Workflow("counting", base_dir=str(work / "graph"))
    graph.config["execution"] = {"crashdump_dir": str(tmp_path), "poll_sleep_duration": str(POLL_S)}
    node = MapNode(CountingInterface(folder=tmp_path), iterfield=["name"], name="node")
    node.inputs.name = ["n1", "n2"]
    successor = Node(CountingInterface(folder=tmp_path, name="n3"), name="successor")
    graph.connect(node, "records", successor, "predecessor")
    (stand_in / "deaths").write_text("node0 FAILED\n")
    graph.run(plugin=make_batch_plugin("PBS", BatchFolders(work, tmp_path / "logs"), {}))
    assert "PBS job" in (tmp_path / "n1.loss").read_text()
    assert counts(tmp_path) == {"n1.loss": 0, "n2": 1, "n3": 1}
    assert not list(current.iterdir())
