"""Each script of docs/cluster is executed by Slurm, and its maps are those of a run without Slurm."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.processes import leftovers
from tests.slurm.cluster import SCRIPTS, Cluster

pytestmark = pytest.mark.slow

LABELS = ["sub-01", "sub-02", "sub-03", "sub-04"]


@pytest.fixture
def cluster(slurm, image, participants, model, tmp_path):
    """Set up a user's folder for the dataset of four participants; its jobs are cancelled at the end."""
    cluster = Cluster(tmp_path / "scripts", participants, model, image)
    yield cluster
    cluster.cancel()


@pytest.fixture(scope="session")
def direct(slurm, image, participants, model, tmp_path_factory):
    """Return the files of a run without Slurm: those of the participant level, then those of both levels."""
    cluster = Cluster(tmp_path_factory.mktemp("direct") / "scripts", participants, model, image)
    cluster.output.mkdir()
    cluster.direct('bids-deeptaskgen /data /out participant --model /model "${OPTIONS[@]}"')
    maps = cluster.results()
    cluster.direct("bids-deeptaskgen /data /out group")
    return maps, cluster.results()


@pytest.fixture
def maps(direct):
    return direct[0]


def test_each_script_is_tested():
    tests = "\n".join(path.read_text("utf-8") for path in SCRIPTS.parents[1].glob("tests/slurm/test_*.py"))
    assert [name for name in sorted(path.name for path in SCRIPTS.glob("*.sh")) if name not in tests] == []


@pytest.mark.parametrize("per_task", ["1", "3"])
def test_an_array_writes_the_files_of_a_run_without_slurm(cluster, maps, per_task):
    job = cluster.submit("bash", "array.sh", PER_TASK=per_task)
    assert len(cluster.finish(job)) == {"1": 4, "3": 2}[per_task]
    assert cluster.results() == maps
    assert leftovers(cluster.output) == list(cluster.scratch.iterdir()) == []
    assert "CPUs of the Slurm job: 1 (SLURM_CPUS_PER_TASK)" in cluster.logs()

    process = cluster.call("bash", "array.sh")
    assert (process.returncode, process.stdout) == (4, "")
    assert "All participants with usable data are finished" in process.stderr


def test_a_dataset_without_usable_data_is_not_submitted(cluster, tmp_path):
    (tmp_path / "empty").mkdir()
    cluster.edit("settings.sh", DERIVATIVES=tmp_path / "empty")
    process = cluster.call("bash", "array.sh")
    assert (process.returncode, process.stdout) == (3, "")
    assert "the folder is empty" in process.stderr


def test_the_group_level_and_a_store_follow_the_array(cluster, direct):
    array = cluster.submit("bash", "array.sh")
    group = cluster.submit("sbatch", "--parsable", f"--dependency=afterok:{array}", "group.sh")
    store = cluster.submit("sbatch", "--parsable", "--array=1-2", f"--dependency=afterok:{array}", "store.sh")
    for job in (array, group, store):
        cluster.finish(job)
    assert cluster.results() == direct[1]
    assert "1 of 1 complete, 4 rows" in cluster.logs()
    assert "0 problems" in cluster.direct("deeptaskgen store check /store", '--bind "$PWD/store:/store"')


def test_fmriprep_maps_and_group_level_are_a_chain(cluster, participants, direct, tmp_path):
    _use_fmriprep(cluster, participants, tmp_path)
    process = cluster.call("bash", "after_fmriprep.sh")
    assert process.returncode == 0, process.stderr
    fmriprep, array, group = re.findall(r"job (\d+)", process.stdout)
    for job in (fmriprep, array, group):
        cluster.finish(job)
    assert cluster.results() == direct[1]


def test_a_participant_without_fmriprep_holds_back_only_itself_and_the_group_level(
    cluster, participants, maps, tmp_path
):
    _use_fmriprep(cluster, participants, tmp_path, failing="sub-03")
    process = cluster.call("bash", "after_fmriprep.sh")
    fmriprep, array, group = re.findall(r"job (\d+)", process.stdout)
    assert cluster.finish(fmriprep, "COMPLETED", "FAILED")[f"{fmriprep}_3"] == "FAILED"
    assert cluster.finish(array, "COMPLETED", "CANCELLED")[f"{array}_3"] == "CANCELLED"
    cluster.finish(group, "CANCELLED")
    present = cluster.results()
    assert sorted(path.name for path in cluster.output.glob("sub-*")) == ["sub-01", "sub-02", "sub-04"]
    assert all(
        maps[name] == present[name] for name in maps if name.startswith(("sub-01", "sub-02", "sub-04"))
    )

    _use_fmriprep(cluster, participants, tmp_path)
    cluster.call(
        "bash",
        "-euc",
        "source ./settings.sh; bash $FMRIPREP x $DERIVATIVES x x sub-03",
        FMRIPREP="fmriprep.sh",
    )
    cluster.finish(cluster.submit("bash", "resubmit_failed.sh", array))
    assert cluster.results() == maps


def _use_fmriprep(cluster, participants, folder, failing="none"):
    """Replace fMRIPrep by a program that copies the derivatives of a participant into place."""
    bids, derivatives = folder / "bids", folder / "fmriprep"
    for label in LABELS:
        (bids / label).mkdir(parents=True, exist_ok=True)
    derivatives.mkdir(exist_ok=True)
    (cluster.folder / "fmriprep.sh").write_text(
        f'if [ "$5" = {failing} ]; then echo "recon-all failed"; exit 1; fi\n'
        f'cp -r --preserve=timestamps {participants}/"$5" "$2"\n'
        f'cp --preserve=timestamps {participants}/*.* "$2"\n'
    )
    paths = {"BIDS": bids, "FMRIPREP": "fmriprep.sh", "LICENSE": bids, "TEMPLATES": bids}
    cluster.edit("after_fmriprep.sh", **paths)
    cluster.edit("settings.sh", DERIVATIVES=derivatives)


def test_a_gpu_that_is_not_there_is_an_error_and_not_a_slow_run(cluster):
    # The libraries of CUDA need more than the tests' jobs usually have.
    job = cluster.submit("bash", "gpu.sh", "--mem=3G")
    if any(Path("/dev").glob("nvidia[0-9]*")):
        cluster.finish(job)
        assert len(list(cluster.output.glob("sub-*"))) == len(LABELS)
        return
    cluster.finish(job, "FAILED")
    assert "device cuda is not available: torch" in cluster.logs()
    assert not list(cluster.output.glob("sub-*"))


def test_killed_tasks_are_submitted_again(cluster, maps):
    hangs = '[ "$SLURM_ARRAY_TASK_ID" != 3 ] || [ -n "${SLURM_RESTART_COUNT:-}" ] || sleep 600'
    original = (cluster.folder / "array.sh").read_text("utf-8")
    cluster.insert("array.sh", hangs, ahead_of="make_work_folder\n")
    job = cluster.submit("bash", "array.sh", "--hold")
    cluster.call("scontrol", "update", f"JobId={job}_2", "MinMemoryNode=150")
    cluster.call("scontrol", "update", f"JobId={job}_3", "TimeLimit=1")
    cluster.call("scontrol", "release", job)
    cluster.wait(job, until=lambda rows: rows.get(f"{job}_4") == "RUNNING")
    cluster.call("scancel", f"{job}_4")
    rows = cluster.wait(job)
    assert rows[f"{job}_1"] == "COMPLETED", cluster.logs()
    # Slurm without control groups reports a task that exceeded its memory as failed.
    assert rows[f"{job}_2"] in ("OUT_OF_MEMORY", "FAILED"), cluster.logs()
    assert (rows[f"{job}_3"], rows[f"{job}_4"]) == ("TIMEOUT", "CANCELLED"), cluster.logs()

    (cluster.folder / "array.sh").write_text(original, "utf-8")
    process = cluster.call("bash", "resubmit_failed.sh", job, "--mem=1600M")
    assert "TIMEOUT" in process.stderr
    assert "CANCELLED" in process.stderr
    assert "3 participants, listed in" in process.stderr
    cluster.finish(process.stdout.strip())
    assert cluster.results() == maps
    assert leftovers(cluster.output) == []


def test_a_requeued_task_writes_the_same_files(cluster, maps):
    job = cluster.submit("bash", "array.sh", PER_TASK="4")
    cluster.wait(job, until=lambda _: list(cluster.output.glob("sub-*")))
    process = cluster.call("scontrol", "requeue", f"{job}_1")
    assert process.returncode == 0, process.stderr
    cluster.finish(job)
    assert cluster.results() == maps


def test_a_participant_that_fails_is_repeated_once_its_data_are_repaired(
    slurm, image, participants, model, maps, tmp_path
):
    dataset = shutil.copytree(participants, tmp_path / "fmriprep")
    table = next((dataset / "sub-02").rglob("*_timeseries.tsv"))
    content, times = table.read_bytes(), (table.stat().st_atime_ns, table.stat().st_mtime_ns)
    cluster = Cluster(tmp_path / "scripts", dataset, model, image)
    table.write_bytes(content[: len(content) // 2])
    job = cluster.submit("bash", "array.sh")
    assert cluster.finish(job, "COMPLETED", "FAILED")[f"{job}_2"] == "FAILED"
    failed = [path.read_text("utf-8") for path in cluster.output.glob("logs/*_failed.txt")]
    assert sorted(failed) == ["", "", "", "sub-02\n"]

    table.write_bytes(content)
    os.utime(table, ns=times)
    cluster.finish(cluster.submit("bash", "resubmit_failed.sh", job))
    assert cluster.results() == maps
