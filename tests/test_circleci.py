"""The configuration of CircleCI: its jobs run targets of the Makefile, and say what has not been run."""

import re
import shlex

import pytest
import yaml

from tests.processes import ROOT
from tests.test_make_targets import LISTED

TEXT = (ROOT / ".circleci" / "config.yml").read_text("utf-8")
CONFIG = yaml.safe_load(TEXT)
JOBS = CONFIG["jobs"]
# Commands that prepare a machine; all others are targets.
PREPARATIONS = re.compile(
    r"(sudo )?apt-get (update|install) .*|(sudo )?apt-get update|sudo add-apt-repository .*"
    r'|echo "\$REGISTRY_PASSWORD" \| docker login .*|docker image ls .*'
)
EXPECTED = {
    "lint": "style", "types": "types", "unit": "test-unit", "inputs": "test-inputs", "faults": "test-faults",
    "browser": "test-browser", "containers": "test-containers", "image-cuda": "image", "docs": "test-docs",
    "wheel": "test-wheel", "audit": "audit", "gpu": "test-gpu", "deploy-python": "release",
    "deploy-images": "release-image", "links": "links",
}  # fmt: skip
# Jobs that need machines, versions or accounts that are not at every developer's disposal.
NOT_RUN = {
    "unit",
    "wheel",
    "audit",
    "links",
    "containers",
    "image-cuda",
    "gpu",
    "deploy-python",
    "deploy-images",
}
PYTHONS = ["3.11", "3.12", "3.13"]


def commands(job):
    """List the commands of a job, one per line or per part of a chain."""
    steps = [step["run"] for step in JOBS[job]["steps"] if "run" in step]
    texts = [step if isinstance(step, str) else step["command"] for step in steps]
    return [part.strip() for text in texts for part in re.split(r"\n|&&", text) if part.strip()]


def targets(job):
    """List the targets of the Makefile that a job runs."""
    found = []
    for command in commands(job):
        words = shlex.split(re.sub(r"<<.*?>>", "PARAMETER", command))
        if words[0] == "make":
            found += [word for word in words[1:] if "=" not in word]
    return found


def workflow_jobs(workflow):
    """List the names and settings of the jobs of a workflow."""
    for entry in CONFIG["workflows"][workflow]["jobs"]:
        yield from [(entry, {})] if isinstance(entry, str) else entry.items()


def workflow_names():
    return [name for name in CONFIG["workflows"] if name != "version"]


@pytest.mark.parametrize("job", JOBS)
def test_every_command_is_a_make_target_or_prepares_the_machine(job):
    others = [
        command
        for command in commands(job)
        if not re.match(r"make |\.ci/run$", command) and not PREPARATIONS.fullmatch(command)
    ]
    assert others == []
    assert "checkout" in JOBS[job]["steps"]


@pytest.mark.parametrize("job", JOBS)
def test_every_target_exists(job):
    assert targets(job) or ".ci/run" in commands(job), "the job runs nothing of the project"
    assert set(targets(job)) <= set(LISTED)


@pytest.mark.parametrize(("job", "target"), EXPECTED.items())
def test_every_kind_of_check_has_a_job(job, target):
    assert target in targets(job)


def test_the_script_of_make_test_has_a_job():
    assert ".ci/run" in commands("test")
    assert "make test " in (ROOT / ".ci" / "run").read_text("utf-8")


def test_both_variants_and_the_apptainer_image_are_built():
    built = [command for job in JOBS for command in commands(job) if command.startswith("make ")]
    # Its target builds both images.
    assert "make test-containers TORCH=cpu" in built
    assert "test-containers: $(VENV)/test.stamp image sif ##" in (ROOT / "Makefile").read_text("utf-8")
    assert any(command.startswith("make image TORCH=cuda") for command in built)


@pytest.mark.parametrize("workflow", workflow_names())
def test_workflows_run_existing_jobs_only(workflow):
    names = [name for name, _ in workflow_jobs(workflow)]
    assert set(names) <= set(JOBS)
    for name, settings in workflow_jobs(workflow):
        assert set(settings.get("requires", [])) <= set(names) - {name}
        known = {*JOBS[name].get("parameters", {})}
        assert set(settings.get("matrix", {}).get("parameters", {})) <= known


def test_every_job_is_in_a_workflow():
    assert {name for workflow in workflow_names() for name, _ in workflow_jobs(workflow)} == set(JOBS)


@pytest.mark.parametrize("job", ["unit", "wheel"])
def test_each_push_is_tested_with_all_supported_versions_of_python(job):
    (matrix,) = (
        settings["matrix"]["parameters"] for name, settings in workflow_jobs("every-push") if name == job
    )
    classifiers = (ROOT / "setup.cfg").read_text("utf-8")
    assert matrix["python"] == re.findall(r"Python :: (3\.\d+)", classifiers) == PYTHONS
    if job == "wheel":
        assert set(matrix["versions"]) >= {"lowest", "newest"}


@pytest.mark.parametrize("job", ["inputs", "faults", "image-cuda", "gpu"])
def test_jobs_of_hours_or_rare_machines_do_not_run_for_each_push(job):
    assert job not in dict(workflow_jobs("every-push"))
    assert job in dict(workflow_jobs("nightly"))


def test_only_tags_are_deployed_and_only_after_all_other_jobs():
    release = dict(workflow_jobs("release"))
    for name, settings in release.items():
        assert settings["filters"]["branches"] == {"ignore": "/.*/"}, name
    pattern = release["deploy-python"]["filters"]["tags"]["only"].strip("/")
    assert all(re.fullmatch(pattern, tag) for tag in ("0.1.0", "v12.0.3"))
    assert not any(re.fullmatch(pattern, tag) for tag in ("0.1.0rc1", "main", "0.1"))
    assert set(release["deploy-python"]["requires"]) == {name for name in release if "deploy" not in name}
    assert release["deploy-images"]["requires"] == ["deploy-python"]
    for workflow in set(workflow_names()) - {"release"}:
        assert not [name for name, _ in workflow_jobs(workflow) if "deploy" in name]


def test_jobs_that_could_not_be_tried_say_so():
    blocks = re.findall(
        r"((?:^  #.*\n)*)^  ([a-z-]+):\n", TEXT.split("\njobs:\n")[1].split("\nworkflows:\n")[0], re.M
    )
    assert {name for _, name in blocks} == set(JOBS)
    assert {name for comment, name in blocks if "# not run here: " in comment} == NOT_RUN


@pytest.mark.parametrize(
    ("command", "is_preparation"),
    [
        ("sudo apt-get update", True),
        ("apt-get install --yes chromium", True),
        ("pip install torch", False),
        ("docker build .", False),
        ("python -m pytest", False),
    ],
)
def test_the_check_of_commands_tells_preparations_from_others(command, is_preparation):
    assert bool(PREPARATIONS.fullmatch(command)) is is_preparation
