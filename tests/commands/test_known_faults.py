"""Known faults of the input: `deeptaskgen known-faults`, and where a run of the app names them."""

import json
import shutil

import pytest

from bids_deeptaskgen.bids.input.known_faults import list_coverage, list_known_faults
from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands import known_faults
from bids_deeptaskgen.settings.known_faults import KnownFaultsSettings
from tests.bids.trees import describe, run
from tests.inprocess import call, maps_of
from tests.processes import SMALL

# The recipes: pipeline, version, and a fault that this release has.
FAULTY = {
    "fMRIPrep 20.2.1": "fmriprep-standard-space-orientation",
    "fMRIPrep 23.2.0": "fmriprep-inverted-template-masks",
    "fMRIPrep 25.1.0": "fmriprep-edge-extrapolation",
    "XCP-D 0.7.2": "xcp-d-band-pass",
    "XCP-D 0.14.1": "xcp-d-integer-images",
}


def generated_by(*titles):
    return [dict(zip(("Name", "Version"), title.split(), strict=True)) for title in titles]


def derivatives(folder, *titles, n_participants=1):
    """Write a dataset with valid names, of the given releases."""
    describe(folder, DatasetType="derivative", GeneratedBy=generated_by(*titles))
    for number in range(1, n_participants + 1):
        run(folder, f"{number:02}")
    return folder


def listed(capsys, *words):
    """Return the exit code and the text of the command."""
    code = workbench.main(["known-faults", *map(str, words)])
    return code, capsys.readouterr().out


def test_without_a_dataset_all_faults_are_listed_with_their_sources(capsys):
    code, out = listed(capsys)
    assert code == 0
    for fault in list_known_faults():
        assert f"[{fault.id}]" in out
        assert all(f"  {source}\n" in out for source in fault.sources)
    assert f"{len(list_known_faults())} known faults." in out
    assert all(f"{name} {version}" in out for name, version in list_coverage().items())


@pytest.mark.parametrize("title", FAULTY)
def test_the_faults_of_a_dataset_are_listed(tmp_path, capsys, title):
    code, out = listed(capsys, derivatives(tmp_path / "data", title))
    assert code == 0
    assert f"{title} ({tmp_path / 'data'})  [{FAULTY[title]}]" in out
    assert f"of the releases that wrote this dataset: {title}." in out


def test_json_holds_the_same_faults(tmp_path, capsys):
    data = derivatives(tmp_path, "fMRIPrep 25.1.0", "heudiconv 1.0")
    code, out = listed(capsys, data, "--json")
    content = json.loads(out)
    assert code == 0
    assert content["Releases"] == generated_by("fMRIPrep 25.1.0", "heudiconv 1.0")
    (entry,) = content["KnownFaultsOfInput"]
    assert (entry["Id"], entry["Version"]) == ("fmriprep-edge-extrapolation", "25.1.0")
    assert len(json.loads(listed(capsys, "--json")[1])) == len(list_known_faults())


def test_a_dataset_without_faults_or_without_a_description_ends_well(tmp_path, capsys):
    code, out = listed(capsys, derivatives(tmp_path / "sound", "fMRIPrep 25.2.5"))
    assert (code, out) == (0, "0 known faults of the releases that wrote this dataset: fMRIPrep 25.2.5.\n")
    (tmp_path / "plain").mkdir()
    code, out = listed(capsys, tmp_path / "plain")
    assert code == 0
    assert "no dataset_description.json names a pipeline" in out


def test_a_version_that_cannot_be_looked_up_is_named(tmp_path, capsys):
    code, out = listed(capsys, derivatives(tmp_path, "fMRIPrep unknown"))
    assert code == 0
    assert "Known faults of fMRIPrep cannot be looked up" in out
    assert "'unknown'" in out


def test_a_path_that_is_no_folder_is_refused(tmp_path, capsys):
    assert workbench.main(["known-faults", str(tmp_path / "nothing")]) == 3
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert workbench.main(["known-faults", str(tmp_path / "file")]) == 3
    assert "is a file" in capsys.readouterr().err


def test_the_simulated_dataset_has_no_known_fault(participants, capsys):
    assert known_faults.run(KnownFaultsSettings(dataset=participants)) == 0
    out = capsys.readouterr().out
    assert out.startswith("0 known faults")
    assert "fMRIPrep 25.2.5" in out


@pytest.mark.parametrize("title", FAULTY)
def test_the_preflight_names_each_fault_once_and_warns(tmp_path, model, title):
    data = derivatives(tmp_path / "data", title, n_participants=3)
    ended = call(data, tmp_path / "out", "participant", "--dry-run", "--model", model)
    assert ended.code == 0
    table, found, _ = ended.out.partition(f"Known fault of {title}: ")
    assert found, ended.out
    assert "sub-03" in table
    assert ended.out.count(f"[{FAULTY[title]}]") == 1
    warnings = [line for line in ended.err.splitlines() if " WARNING " in line and FAULTY[title] in line]
    assert len(warnings) == 1
    assert f"{data}: {title} has a known fault ({FAULTY[title]})." in warnings[0]


def test_faults_of_the_dataset_below_the_cleaned_one_are_named(tmp_path, model):
    data = derivatives(tmp_path / "fmriprep", "fMRIPrep 25.1.0")
    cleaned = derivatives(tmp_path / "xcp_d", "XCP-D 26.1.1")
    for path in list(cleaned.rglob("*desc-preproc*")):
        path.rename(path.with_name(path.name.replace("desc-preproc", "desc-denoised")))
    words = (cleaned, tmp_path / "out", "participant", "--dry-run", "--model", model, "--desc", "denoised")
    assert "Known fault" not in call(*words).out
    ended = call(*words, "-d", f"xcp_d={cleaned}", f"fmriprep={data}")
    assert "Known fault of fMRIPrep 25.1.0" in ended.out


def test_an_unknown_version_is_named_in_the_preflight(tmp_path, model):
    data = derivatives(tmp_path / "data", "fMRIPrep unknown")
    ended = call(data, tmp_path / "out", "participant", "--dry-run", "--model", model)
    assert ended.code == 0
    assert "Known faults of fMRIPrep cannot be looked up" in ended.out
    assert "known fault" not in ended.err


@pytest.fixture(scope="module")
def finished(participants, model, tmp_path_factory):
    """Predict a participant's maps from input of a sound and of a faulty release."""
    folder = tmp_path_factory.mktemp("faults")
    outputs = {}
    for version in ("25.2.5", "23.2.0"):
        data = folder / f"data-{version}"
        shutil.copytree(participants, data)
        path = data / "dataset_description.json"
        path.write_text(path.read_text("utf-8").replace("25.2.5", version), "utf-8")
        words = (data, folder / version, "participant", "--model", model, *SMALL, "--nprocs", "1")
        ended = call(*words, "--participant-label", "01")
        assert ended.code == 0, ended.err
        outputs[version] = folder / version, ended, words
    return outputs


def test_a_fault_changes_neither_the_maps_nor_the_exit_code(finished):
    assert maps_of(finished["23.2.0"][0], "01") == maps_of(finished["25.2.5"][0], "01")


def test_sidecars_and_description_list_the_known_faults_of_the_input(finished):
    expected = {
        "25.2.5": [],
        "23.2.0": [
            "fmriprep-inverted-template-masks",
            "fmriprep-header-repetition-time",
            "fmriprep-edge-signal-loss",
            "fmriprep-field-map-intensities",
        ],
    }
    for version, (output, _, _) in finished.items():
        sidecars = [*output.glob("sub-01/func/*_statmap.json"), output / "dataset_description.json"]
        assert len(sidecars) > 1
        for path in sidecars:
            entries = json.loads(path.read_text("utf-8"))["DeepTaskGen"]["KnownFaultsOfInput"]
            assert [entry["Id"] for entry in entries] == expected[version]
            assert {entry["Version"] for entry in entries} <= {version}


def test_the_methods_text_names_releases_with_known_faults(finished):
    sentence = (
        "written by releases with known faults, which may concern these data: fMRIPrep 23.2.0 (fmriprep-"
    )
    assert sentence in (finished["23.2.0"][0] / "CITATION.md").read_text("utf-8")
    assert "known faults" not in (finished["25.2.5"][0] / "CITATION.md").read_text("utf-8")


def test_faults_that_become_known_later_leave_finished_maps_finished(finished, monkeypatch):
    output, _, words = finished["23.2.0"]
    before = {path: path.stat().st_mtime_ns for path in output.glob("sub-01/func/*")}
    monkeypatch.setattr("bids_deeptaskgen.pipeline.context.find_known_faults", lambda _: ())
    ended = call(*words, "--participant-label", "01")
    assert ended.code == 0, ended.err
    assert {path: path.stat().st_mtime_ns for path in output.glob("sub-01/func/*")} == before


def test_the_faults_are_warnings_in_the_log(finished):
    _, ended, _ = finished["23.2.0"]
    assert ended.err.count("WARNING") >= 4
    assert "`deeptaskgen known-faults" in ended.err
