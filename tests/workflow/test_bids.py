"""Output datasets follow BIDS; with bids-validator-deno on the PATH, the validator confirms it."""

import fnmatch
import json
import re
import shutil
import subprocess

import pytest

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.commands import group, participant
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.conftest import small_dataset

VALIDATOR = shutil.which("bids-validator-deno")
# Files that BIDS defines for the root of a dataset.
ROOT_FILES = {
    "dataset_description.json", "README", "participants.tsv", "participants.json", "descriptions.tsv",
    ".bidsignore",
}  # fmt: skip
KINDS = {
    "single images": {"n_windows": 2},
    "one image and connectomes": {"map_format": "4d", "save_connectome": True},
    "runs": {"combine_runs": False},
}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Simulate two sessions of two runs, below a raw dataset."""
    folder = tmp_path_factory.mktemp("raw") / "derivatives" / "fmriprep"
    return small_dataset(folder, n_participants=1, n_sessions=2, n_runs=2, n_volumes=30)


@pytest.fixture(scope="module", params=KINDS)
def output(request, sessions, model):
    """Return the output of both levels of analysis."""
    folder = sessions.parent / "deeptaskgen" / request.param.replace(" ", "_")
    changes = {"model": str(model), "nprocs": 1, "min_minutes": 0, "min_dof": 1, **KINDS[request.param]}
    changes["nuisance_regressors"] = "none"
    assert participant.run(ParticipantSettings(sessions, folder, **changes)) == 0
    assert group.run(GroupSettings(sessions, folder)) == 0
    return folder


def files_of(folder):
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def errors_of(folder):
    """Return the errors that the validator finds in a dataset."""
    result = subprocess.run(
        [VALIDATOR, folder, "--format", "json"], capture_output=True, text=True, timeout=120, check=False
    )
    issues = json.loads(result.stdout)["issues"]["issues"]
    errors = [(issue["code"], issue.get("location")) for issue in issues if issue["severity"] == "error"]
    assert result.returncode == (16 if errors else 0)
    return errors


def test_files_outside_bids_are_ignored_and_all_others_have_names_of_bids(output):
    patterns = (output / ".bidsignore").read_text("utf-8").split()
    order = load_table("outputs.json")["entity_order"]
    for path in files_of(output):
        is_ignored = any(fnmatch.fnmatch(part, pattern) for part in path.parts for pattern in patterns)
        assert is_ignored or path.name in ROOT_FILES, path
        if path.parts[0].startswith("sub-") and len(path.parts) > 1:
            name = parse_name(path.name)
            keys = [key for key, _ in name.entities]
            assert keys == sorted(keys, key=order.index)
            assert list(path.parts[:-2]) == [f"{key}-{name.get(key)}" for key in ("sub", "ses")]


def test_links_and_sources_lead_to_the_files_of_the_input(output):
    description = json.loads((output / "dataset_description.json").read_text("utf-8"))
    assert description["GeneratedBy"][0]["Name"] in output.parent.name
    links = description["DatasetLinks"]
    assert links == {"fmriprep": "../../fmriprep"}
    # Sidecars of tables describe their columns.
    for path in output.glob("sub-*/ses-*/func/*.json"):
        if re.search("_desc-(qc|agreement)_", path.name):
            continue
        content = json.loads(path.read_text("utf-8"))
        assert content["Sources"]
        for uri in content["Sources"]:
            scheme, name, place = uri.split(":", 2)
            assert scheme == "bids"
            assert (output / links[name] / place).is_file()
        assert "Description" in content
        assert content["SkullStripped"] is True
        assert content["SpatialReference"].startswith("https://")
        assert "Resolution" in content


def test_all_desc_labels_are_described(output):
    lines = (output / "descriptions.tsv").read_text("utf-8").splitlines()
    labels = {line.split("\t")[0].removeprefix("desc-") for line in lines[1:]}
    used_labels = {parse_name(path.name).get("desc") for path in files_of(output)} - {None}
    assert used_labels <= labels


@pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not on the PATH: make test-bids")
def test_the_validator_finds_no_errors_in_the_output(output):
    assert errors_of(output) == []


@pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not on the PATH: make test-bids")
def test_the_validator_finds_no_errors_in_the_simulated_dataset(sessions, tmp_path):
    assert errors_of(sessions) == []
    small_dataset(tmp_path / "single", n_participants=1, n_volumes=20)
    assert errors_of(tmp_path / "single") == []
    (tmp_path / "single" / ".bidsignore").unlink()
    assert {code for code, _ in errors_of(tmp_path / "single")} == {"NOT_INCLUDED"}
