"""The scripts of docs/cluster, where there is no Slurm; tests/slurm executes them on a real one."""

import re
import shlex
import subprocess

import pytest

from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.settings.store import StorePackSettings
from tests.processes import SMALL
from tests.slurm.cluster import SCRIPTS, Cluster

# Options of sbatch, sacct, Apptainer, fMRIPrep and shell tools.
OTHER_OPTIONS = {
    "--account", "--allocations", "--array", "--bind", "--cleanenv", "--constraint", "--containall",
    "--cpus-per-task", "--delimiter", "--dependency", "--env", "--format", "--fs-license-file", "--gres",
    "--job-name", "--jobs", "--kill-on-invalid-dep", "--mail-type", "--mem-per-gpu", "--noheader", "--nv",
    "--no-home", "--open-mode", "--output", "--output-spaces", "--parsable", "--partition", "--requeue",
    "--states", "--time", "--user",
}  # fmt: skip


@pytest.fixture
def cluster(participants, model, tmp_path):
    """Set up a user's folder with a program sbatch that saves its arguments and prints a number."""
    cluster = Cluster(tmp_path / "scripts", participants, model, None)
    install(cluster, "sbatch", 'printf "%s\\n" "$@" >sbatch.txt; echo 1')
    install(cluster, "scancel", 'echo "$@" >scancel.txt')
    for name in ("squeue", "sacct"):
        install(cluster, name, "exit 1")
    return cluster


def install(cluster, name, script):
    """Write a stand-in for a command of Slurm."""
    program = cluster.folder / "bin" / name
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)


def submitted(cluster):
    """Return the words of the latest submission."""
    return (cluster.folder / "sbatch.txt").read_text().splitlines()


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_the_syntax_of_each_script_is_right(path):
    process = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


def test_every_option_in_the_scripts_and_their_document_exists():
    kinds = (ParticipantSettings, GroupSettings, StorePackSettings, SimulateSettings)
    specs = [spec for kind in kinds for spec in option_specs(kind)]
    flags = {flag for spec in specs for flag in (spec.flag, *spec.option.flags)}
    text = "\n".join(path.read_text("utf-8") for path in SCRIPTS.iterdir())
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert options - flags <= OTHER_OPTIONS


def test_the_document_lists_each_script():
    text = (SCRIPTS / "README.md").read_text("utf-8")
    assert [path.name for path in SCRIPTS.glob("*.sh") if f"[{path.name}]({path.name})" not in text] == []


def test_an_array_has_a_task_for_each_group_of_unfinished_participants(cluster):
    cluster.submit("bash", "array.sh", PER_TASK="3")
    words = (cluster.folder / "sbatch.txt").read_text().splitlines()
    assert words[:2] == ["--parsable", "--array=1-2%50"]
    assert words[-1] == "3"
    labels = cluster.folder / words[-2]
    assert labels.read_text().split() == ["sub-01", "sub-02", "sub-03", "sub-04"]

    process = cluster.call("bash", "array.sh", labels, "3", SLURM_ARRAY_TASK_ID="2")
    assert process.returncode == 0, process.stderr
    assert [path.name for path in cluster.output.glob("sub-*")] == ["sub-04"]
    assert list(cluster.scratch.iterdir()) == []

    cluster.submit("bash", "array.sh", "--mem=8G")
    words = (cluster.folder / "sbatch.txt").read_text().splitlines()
    assert words[1:3] == ["--array=1-3%50", "--mem=8G"]
    assert (cluster.folder / words[-2]).read_text().split() == ["sub-01", "sub-02", "sub-03"]


@pytest.mark.parametrize(
    ("plan", "labels"),
    [
        ("To do: 0 participants.\nTo do, pages only: 2 participants (sub-02 sub-04).", ["sub-02", "sub-04"]),
        (
            "To do: 1 participants (sub-03).\nTo do, pages only: 1 participants (sub-02).",
            ["sub-03", "sub-02"],
        ),
        ("To do: 1 participants (sub-03).\nTo do, pages only: 101 participants.", ["sub-03"]),
    ],
)
def test_participants_that_lack_only_their_page_are_submitted(cluster, plan, labels):
    install(cluster, "apptainer", f"echo '{plan}'")
    cluster.submit("bash", "array.sh")
    assert submitted(cluster)[1] == f"--array=1-{len(labels)}%50"
    assert (cluster.folder / submitted(cluster)[-2]).read_text().splitlines() == labels


def test_pages_that_the_plan_does_not_list_are_not_reported_as_finished(cluster):
    install(cluster, "apptainer", "echo 'To do: 0 participants.\nTo do, pages only: 101 participants.'")
    process = cluster.call("bash", "array.sh")
    assert (process.returncode, process.stdout) == (1, "")
    assert "To do, pages only: 101 participants." in process.stderr
    assert "LIST=FILE" in process.stderr


def test_the_dry_run_lists_participants_that_lack_only_their_page(cluster):
    cluster.output.mkdir()
    (cluster.folder / "list.txt").write_text("sub-04\n")
    process = cluster.call("bash", "array.sh", "list.txt", "1", SLURM_ARRAY_TASK_ID="1")
    assert process.returncode == 0, process.stderr
    options = [*SMALL[: SMALL.index("--reports")], "--reports", "qc"]
    cluster.edit("settings.sh", OPTIONS=f"({shlex.join(options)})")
    cluster.submit("bash", "array.sh")
    plan = (cluster.folder / f"{submitted(cluster)[-2]}.plan").read_text()
    assert "To do, pages only: 1 participants (sub-04)." in plan
    labels = (cluster.folder / submitted(cluster)[-2]).read_text().split()
    assert labels == ["sub-01", "sub-02", "sub-03", "sub-04"]


@pytest.mark.parametrize(
    "text", ["sub-01\nsub-02\n", "sub-01\n\nsub-02", "sub-01\r\n sub-02\r\n\r\n", "sub-01\nsub-02 "]
)
def test_the_list_of_a_user_may_have_empty_lines_and_any_line_end(cluster, text):
    (cluster.folder / "list.txt").write_bytes(text.encode())
    cluster.submit("bash", "array.sh", LIST="list.txt")
    assert submitted(cluster)[1] == "--array=1-2%50"
    assert (cluster.folder / submitted(cluster)[-2]).read_bytes() == b"sub-01\nsub-02\n"


def test_an_empty_or_absent_list_is_an_error(cluster):
    (cluster.folder / "list.txt").write_text("\n")
    process = cluster.call("bash", "array.sh", LIST="list.txt")
    assert (process.returncode, process.stderr) == (2, "list.txt lists no participant.\n")
    process = cluster.call("bash", "array.sh", LIST="typo.txt")
    assert process.returncode == 1
    assert "typo.txt: No such file" in process.stderr
    assert not (cluster.folder / "sbatch.txt").exists()


def test_a_wrong_option_is_not_reported_as_a_dataset_without_data(cluster):
    cluster.edit("settings.sh", OPTIONS="(--fwhm=wide)")
    process = cluster.call("bash", "array.sh")
    assert process.returncode == 2
    assert "fwhm" in process.stderr


def test_the_size_of_gpu_tasks_can_be_chosen(cluster):
    (cluster.folder / "list.txt").write_text("sub-01\nsub-02\nsub-03\n")
    cluster.submit("bash", "gpu.sh", LIST="list.txt", PER_TASK="2", AT_ONCE="9")
    assert submitted(cluster)[1] == "--array=1-2%9"
    cluster.submit("bash", "gpu.sh", LIST="list.txt")
    assert submitted(cluster)[1] == "--array=1-1%4"


def test_variables_of_another_job_do_not_reach_the_container(cluster):
    process = cluster.call(
        "bash", "-euc", "source ./settings.sh; env",
        SLURM_JOB_ID="7", APPTAINERENV_SLURM_JOB_ID="6", APPTAINERENV_SLURM_MEM_PER_NODE="100",
    )  # fmt: skip
    passed_on = [line for line in process.stdout.splitlines() if line.startswith("APPTAINERENV_SLURM")]
    assert passed_on == ["APPTAINERENV_SLURM_JOB_ID=7"]


@pytest.mark.parametrize(
    ("squeue", "removed"), [("echo 12; echo 13", {"11"}), ("exit 1", set()), ("true", set())]
)
def test_the_folders_of_killed_tasks_are_removed_by_the_next_one(cluster, squeue, removed):
    install(cluster, "squeue", squeue)
    others = {"deeptaskgen.other.11.aaaaaa", "deeptaskgen.lab.0.aaaaaa", "fmriprep.aaaaaa"}
    folders = {f"deeptaskgen.lab.{job}.aaaaaa" for job in ("11", "12")}
    for name in others | folders:
        (cluster.scratch / name).mkdir()
    script = "source ./settings.sh; make_work_folder; ls -d $work"
    process = cluster.call("bash", "-euc", script, SLURM_JOB_ID="13", SLURM_CLUSTER_NAME="lab")
    assert "/deeptaskgen.lab.13." in process.stdout, process.stderr
    remaining = {path.name for path in cluster.scratch.iterdir()}
    assert remaining == others | {name for name in folders if name.split(".")[2] not in removed}


def test_nothing_is_submitted_again_while_tasks_are_in_the_queue(cluster):
    (cluster.folder / "list.txt").write_text("sub-01\n")
    install(cluster, "squeue", "echo 7_1")
    process = cluster.call("bash", "resubmit_failed.sh", "7", LIST="list.txt")
    assert process.returncode == 5
    assert "scancel 7" in process.stderr
    assert not (cluster.folder / "sbatch.txt").exists()


def test_a_cluster_that_keeps_no_accounts_can_submit_again(cluster):
    (cluster.folder / "list.txt").write_text("sub-01\n")
    process = cluster.call("bash", "resubmit_failed.sh", "7", "--mem=8G", LIST="list.txt")
    assert process.returncode == 0, process.stderr
    assert "does not show job 7" in process.stderr
    assert "--mem=8G" in submitted(cluster)


@pytest.mark.parametrize(("refused", "cancelled"), [("aftercorr", "5"), ("afterok", "5 5")])
def test_fmriprep_is_not_left_alone_in_the_queue(cluster, tmp_path, refused, cancelled):
    (tmp_path / "bids" / "sub-01").mkdir(parents=True)
    cluster.edit("after_fmriprep.sh", BIDS=tmp_path / "bids")
    install(cluster, "sbatch", f'case "$*" in *{refused}*) echo refused >&2; exit 1 ;; esac; echo 5')
    process = cluster.call("bash", "after_fmriprep.sh")
    assert process.returncode == 1
    assert "refused" in process.stderr
    assert (cluster.folder / "scancel.txt").read_text() == f"{cancelled}\n"


def test_fmriprep_stays_in_the_queue_with_its_successors(cluster, tmp_path):
    (tmp_path / "bids" / "sub-01").mkdir(parents=True)
    cluster.edit("after_fmriprep.sh", BIDS=tmp_path / "bids")
    assert cluster.call("bash", "after_fmriprep.sh").returncode == 0
    assert not (cluster.folder / "scancel.txt").exists()
