"""The committed descriptors are those that `make descriptors` writes, and fit together."""

import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.settings.export import ExportNipoppySettings
from scripts.descriptors.files import IMAGE, descriptor_files, file_text, project_version
from tests.descriptors.command_line import FOLDER, parse, read_json, render
from tests.group.dataset import make_dataset
from tests.processes import ROOT

VERSION = project_version()
PROCESSING = f"nipoppy/deeptaskgen-{VERSION}"
EXTRACTION = f"nipoppy/deeptaskgen_idps-{VERSION}"
# Variables that Nipoppy 0.4 replaces in pipelines that do not name participants and sessions of BIDS.
STUDY_VARIABLES = {"DPATH_CONTAINERS", "DPATH_DERIVATIVES", "DPATH_PIPELINE_OUTPUT", "DPATH_PIPELINE_WORK"}
STUDY_VARIABLES |= {"DPATH_PIPELINE_IDP", "PARTICIPANT_ID"}


def variables_of(*names):
    """Return the variables in the content of files."""
    return set(re.findall(r"\[\[(\w+)\]\]", " ".join(json.dumps(read_json(name)) for name in names)))


def test_the_committed_files_are_those_that_make_descriptors_writes():
    written = {name: file_text(content) for name, content in descriptor_files().items()}
    committed = {
        path.relative_to(FOLDER).as_posix(): path.read_text("utf-8")
        for path in FOLDER.rglob("*")
        # Those for BABS are written by hand.
        if path.is_file() and "babs" not in path.relative_to(FOLDER).parts
    }
    assert sorted(committed) == sorted(written), "run: make descriptors"
    assert [name for name in written if written[name] != committed[name]] == [], "run: make descriptors"


def test_the_command_replaces_files_of_earlier_versions(tmp_path):
    earlier = tmp_path / "nipoppy" / "deeptaskgen-0.0.1" / "config.json"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    command = [sys.executable, "-m", "scripts.descriptors", "--folder", tmp_path, "--image", "lab/app:1"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names == set(descriptor_files())
    descriptor = json.loads((tmp_path / PROCESSING / "descriptor.json").read_text("utf-8"))
    assert descriptor["container-image"]["image"] == "lab/app:1"


def test_the_image_is_that_of_make_image():
    assert f"\nIMAGE ?= {IMAGE}\n" in (ROOT / "Makefile").read_text("utf-8")


def test_all_files_have_the_version_of_the_release():
    assert f'fallback_version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert read_json("boutiques.json")["tool-version"] == VERSION
    assert {path.name.rpartition("-")[2] for path in (FOLDER / "nipoppy").iterdir()} == {VERSION}
    for folder in (PROCESSING, EXTRACTION):
        config, descriptor = read_json(f"{folder}/config.json"), read_json(f"{folder}/descriptor.json")
        assert config["VERSION"] == descriptor["tool-version"] == VERSION
        assert f"{config['NAME']}-{VERSION}" == Path(folder).name
        assert config["CONTAINER_INFO"]["FILE"].endswith(f"/deeptaskgen_{VERSION}.sif")


def test_boutiques_and_nipoppy_have_the_same_descriptor():
    assert read_json(f"{PROCESSING}/descriptor.json") == read_json("boutiques.json")


@pytest.mark.parametrize("folder", [PROCESSING, EXTRACTION])
def test_a_pipeline_names_its_files(folder):
    config = read_json(f"{folder}/config.json")
    (step,) = config["STEPS"]
    files = {name for key, name in step.items() if key.endswith("_FILE")}
    further_files = {"config.json", "tracker_without_sessions.json"}
    assert files == {path.name for path in (FOLDER / folder).iterdir()} - further_files
    hpc = read_json(f"{folder}/hpc.json")
    assert set(hpc) == {"ACCOUNT", "TIME", "CORES", "MEMORY", "ARRAY_CONCURRENCY_LIMIT"}
    resources = read_json(f"{folder}/descriptor.json")["suggested-resources"]
    assert (hpc["CORES"], hpc["MEMORY"]) == (str(resources["cpu-cores"]), f"{resources['ram']}G")


@pytest.mark.parametrize("folder", [PROCESSING, EXTRACTION])
def test_each_variable_is_declared_or_one_of_nipoppy(folder):
    config = read_json(f"{folder}/config.json")
    variables = variables_of(f"{folder}/config.json", f"{folder}/invocation.json")
    names = {name for name in variables if not name.startswith("NIPOPPY_")}
    assert names == set(config.get("VARIABLES", ()))
    assert {name.removeprefix("NIPOPPY_") for name in variables - names} <= STUDY_VARIABLES


def test_the_extraction_depends_on_the_processing():
    dependencies = read_json(f"{EXTRACTION}/config.json")["PROC_DEPENDENCIES"]
    assert dependencies == [{"NAME": read_json(f"{PROCESSING}/config.json")["NAME"], "VERSION": VERSION}]


def test_the_invocation_of_the_processing_is_accepted():
    text = (FOLDER / PROCESSING / "invocation.json").read_text("utf-8")
    values = {"NIPOPPY_PARTICIPANT_ID": "01", "MODEL": "hcp-ya", "FMRIPREP_VERSION": "24.1.1"}
    text = re.sub(r"\[\[(\w+)\]\]", lambda match: values.get(match[1], f"/study/{match[1].lower()}"), text)
    settings = parse(render(read_json("boutiques.json"), json.loads(text)))
    assert settings.participant_label == ("01",)
    assert settings.bids_dir == Path("/study/nipoppy_dpath_derivatives/fmriprep/24.1.1/output")
    assert settings.model == "hcp-ya"


def test_the_invocation_of_the_extraction_is_accepted():
    from bids_deeptaskgen.cli.parser import from_namespace
    from bids_deeptaskgen.cli.workbench import make_parser

    descriptor = read_json(f"{EXTRACTION}/descriptor.json")
    values = {
        "output_dir": "/data/out",
        "out": "/data/idp",
        "overwrite": True,
        "atlas": ["/data/a.nii.gz", "B"],
    }
    assert set(read_json(f"{EXTRACTION}/invocation.json")) < set(values)
    program, *words = render(descriptor, values)
    assert program == "deeptaskgen"
    settings = from_namespace(ExportNipoppySettings, make_parser().parse_args(words))
    assert (settings.out, settings.overwrite) == (Path("/data/idp"), True)
    assert settings.atlas == ("/data/a.nii.gz", "B")


def tracked_files(folder, tracker, subject, session):
    """Return the files of each pattern of a tracker, as Nipoppy finds them."""
    values = {"NIPOPPY_BIDS_PARTICIPANT_ID": f"sub-{subject}", "NIPOPPY_BIDS_SESSION_ID": f"ses-{session}"}
    paths = read_json(f"{PROCESSING}/{tracker}")["PATHS"]
    patterns = [re.sub(r"\[\[(\w+)\]\]", lambda match: values[match[1]], path) for path in paths]
    return [sorted(folder.glob(pattern)) for pattern in patterns]


@pytest.mark.parametrize("is_4d", [False, True])
@pytest.mark.parametrize(
    ("tracker", "sessions"), [("tracker.json", ("1", "2")), ("tracker_without_sessions.json", (None,))]
)
def test_the_tracker_finds_finished_sessions_and_no_others(tmp_path, tracker, sessions, is_4d):
    make_dataset(tmp_path, n=2, sessions=sessions, is_4d=is_4d)
    session = sessions[-1]
    assert all(tracked_files(tmp_path, tracker, "02", session))
    names = {path.name for files in tracked_files(tmp_path, tracker, "02", session) for path in files}
    assert all(name.startswith(f"sub-02_ses-{session}_" if session else "sub-02_task-") for name in names)
    assert not any(tracked_files(tmp_path, tracker, "03", session))
    record = output_path(tmp_path, "qc_metrics", subject="02", session=session, entities=(("task", "rest"),))
    record.unlink()
    assert not all(tracked_files(tmp_path, tracker, "02", session))
    assert all(tracked_files(tmp_path, tracker, "01", session))


def test_the_tracker_finds_runs_with_their_own_maps():
    name = Path(
        output_path(
            Path(), "qc_metrics", subject="01", session="1", entities=(("task", "rest"), ("run", "2"))
        )
    )
    pattern = read_json(f"{PROCESSING}/tracker.json")["PATHS"][0]
    pattern = pattern.replace("[[NIPOPPY_BIDS_PARTICIPANT_ID]]", "sub-01")
    assert fnmatchcase(name.as_posix(), pattern.replace("[[NIPOPPY_BIDS_SESSION_ID]]", "ses-1"))
