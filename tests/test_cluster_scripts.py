"""The scripts of docs/cluster, where there is no Slurm; tests/slurm executes them on a real one."""

import re
import subprocess

import pytest

from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.store import StorePackSettings
from tests.slurm.cluster import SCRIPTS, Cluster

# Options of sbatch, sacct, Apptainer, fMRIPrep and shell tools.
OTHER_OPTIONS = {
    "--account", "--allocations", "--array", "--bind", "--cleanenv", "--containall", "--cpus-per-task",
    "--delimiter", "--dependency", "--env", "--format", "--fs-license-file", "--gres", "--job-name", "--jobs",
    "--kill-on-invalid-dep", "--mail-type", "--nv", "--no-home", "--open-mode", "--output",
    "--output-spaces", "--parsable", "--partition", "--requeue", "--time",
}  # fmt: skip


@pytest.fixture
def cluster(participants, model, tmp_path):
    """Set up a user's folder with a program sbatch that saves its arguments and prints a number."""
    cluster = Cluster(tmp_path / "scripts", participants, model, None)
    sbatch = tmp_path / "scripts" / "bin" / "sbatch"
    sbatch.write_text('#!/bin/bash\nprintf "%s\\n" "$@" >sbatch.txt\necho 1\n')
    sbatch.chmod(0o755)
    return cluster


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_the_syntax_of_each_script_is_right(path):
    process = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


def test_every_option_in_the_scripts_and_their_document_exists():
    kinds = (ParticipantSettings, GroupSettings, StorePackSettings)
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
