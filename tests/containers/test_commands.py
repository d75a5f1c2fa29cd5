"""Each command writes the same bytes in a container as outside: as an unknown user, on a read-only system."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, TRANSFORM
from tests.faults.command_cases import APP, CASES, WORKBENCH
from tests.processes import SMALL, results
from tests.workflow.other_template import SHIFT_MM, write_shifted, write_transform

pytestmark = pytest.mark.slow
PREDICTION = ("participant", "--nprocs", "1", *SMALL, "--participant-label", "01")
# A run outside may use another patch release of Python, which an analysis names.
PYTHON = re.compile(rb'"python": ?"[0-9.]+"')


def in_image(words):
    """Replace the Python and the module of a command line by the program that the image has."""
    words = [str(word) for word in words]
    for start, program in ((APP, "bids-deeptaskgen"), (WORKBENCH, "deeptaskgen")):
        if tuple(words[: len(start)]) == start:
            return [program, *words[len(start) :]]
    assert words[0] == sys.executable
    return ["python3", *words[1:]]


def open_to_all(folder):
    """Let any user write to a folder and the files below it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


def neutral(contents):
    """Remove the version of Python from files."""
    return {name: PYTHON.sub(b'"python": ""', content) for name, content in contents.items()}


@pytest.fixture
def same_version(engine):
    """Require that the program in the image has the version of this environment, which the files state."""
    inside = engine.output_of("bids-deeptaskgen", "--version").split()[-1]
    outside = version("bids-deeptaskgen")
    if inside != outside:
        pytest.fail(
            f"{engine.image} has version {inside}, this environment {outside}. "
            "Run `make test-containers`, which renews both."
        )


@pytest.fixture
def clear(engine):
    """Return a function that empties a folder: only the unknown user may remove what it wrote."""

    def empty(folder):
        words = ("find", folder, "-mindepth", "1", "-maxdepth", "1", "-exec", "rm", "-rf", "{}", "+")
        process = engine.run(words, write=[folder])
        assert process.returncode == 0, process.stdout

    return empty


@pytest.fixture
def out(tmp_path):
    """Return a new folder to which any user may write."""
    folder = tmp_path / "out"
    folder.mkdir()
    open_to_all(folder)
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_writes_the_bytes_of_a_run_outside(case, stages, engine, same_version, clear):
    stage = stages(case)
    stage.reset()
    open_to_all(stage.place)
    environment = (
        {"OMP_NUM_THREADS": "1"} | stage.environment | dict(case.environment(stage.inputs, stage.place))
    )
    words = in_image(case.words(stage.inputs, stage.place))
    try:
        process = engine.run(
            words,
            read=[stage.inputs],
            write=[stage.place],
            environment=environment,
            network=case.name == "fetch",
        )
        assert process.returncode == 0, process.stdout
        inside, outside = neutral(stage.results()), neutral(stage.expected)
    finally:
        clear(stage.place)
    assert inside.keys() == outside.keys()
    assert [name for name in outside if inside[name] != outside[name]] == []
    assert len(outside) > 0 or case.name == "store_check"


def test_a_second_run_finds_the_maps_and_a_folder_without_data_ends_with_3(
    engine, participants, model, out, clear
):
    folders = {"read": [participants, model], "write": [out]}
    words = ["bids-deeptaskgen", participants, out, *PREDICTION, "--model", model]
    try:
        first = engine.run(words, **folders)
        assert first.returncode == 0, first.stdout
        before = results(out)
        second = engine.run(words, **folders)
        assert second.returncode == 0, second.stdout
        assert re.search(r"sub-01 +present", second.stdout)
        assert results(out) == before
        refused = engine.run(["bids-deeptaskgen", model, out, *PREDICTION, "--model", model], **folders)
        assert refused.returncode == 3, refused.stdout
    finally:
        clear(out)


def test_a_series_of_another_template_is_warped_as_outside(
    engine, participants, model, out, tmp_path, clear, same_version
):
    dataset, home = write_shifted(participants, tmp_path / "fmriprep", "01"), tmp_path / "templateflow"
    transform = write_transform(home / f"tpl-{MODEL_SPACE}" / TRANSFORM, SHIFT_MM)
    # TemplateFlow writes to its folder when it is imported.
    open_to_all(home)
    words = [dataset, out, *PREDICTION, "--model", model, "--allow-template-warp"]
    environment = {"TEMPLATEFLOW_HOME": str(home), "OMP_NUM_THREADS": "1"}
    outside = subprocess.run([*map(str, (*APP, *words))], env=os.environ | environment, check=False)
    assert outside.returncode == 0
    expected = results(out)
    for path in out.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    try:
        process = engine.run(
            ["bids-deeptaskgen", *words], read=[dataset, model], write=[out, home], environment=environment
        )
        assert process.returncode == 0, process.stdout
        assert f"warped with {transform.name}" in re.sub(r"\s+", " ", process.stdout)
        inside = results(out)
        assert any(name.endswith("_statmap.nii.gz") for name in inside)
        assert inside.keys() == expected.keys()
        assert [name for name in expected if inside[name] != expected[name]] == []
    finally:
        clear(out)
        clear(home)


def test_a_model_in_a_folder_bound_at_the_documented_place_is_found(
    engine, participants, model, out, tmp_path, clear
):
    shutil.copytree(model, tmp_path / "home" / "models" / "hcp-ya")
    words = ["bids-deeptaskgen", participants, out, *PREDICTION, "--model", "hcp-ya"]
    try:
        process = engine.run(
            words, read=[participants], write=[out], binds=[f"{tmp_path / 'home'}:/deeptaskgen:ro"]
        )
        assert process.returncode == 0, process.stdout
        assert list(out.glob("sub-01/func/*_statmap.nii.gz"))
        listed = engine.run(["deeptaskgen", "models", "list"], binds=[f"{tmp_path / 'home'}:/deeptaskgen:ro"])
        assert re.search(r"hcp-ya +yes", listed.stdout), listed.stdout
        assert "Models are in /deeptaskgen/models;" in listed.stdout
    finally:
        clear(out)
