"""Nipoppy installs both pipelines, runs them with the image, and tracks the participants."""

import os
import re
import shutil

import pytest

from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.io.tsv import read_tsv
from scripts.descriptors.files import project_version
from tests.descriptors.tools import copy_model, run_workbench

pytestmark = pytest.mark.slow
VERSION = project_version()
FMRIPREP_VERSION = "24.1.1"
PIPELINES = (f"deeptaskgen-{VERSION}", f"deeptaskgen_idps-{VERSION}")


class Study:
    """Study with derivatives of fMRIPrep and both pipelines.

    Parameters
    ----------
    folder : Path
    derivatives : Path
        Of fMRIPrep.
    tools : Tools
    engine : Engine
    """

    def __init__(self, folder, derivatives, tools, engine):
        self.folder, self.tools, self.engine = folder, tools, engine
        raw = folder.with_name("raw")
        for path in derivatives.rglob("*desc-preproc_bold.nii.gz"):
            name = re.sub(r"_space-.*", "_bold.nii.gz", path.name)
            link = raw / path.relative_to(derivatives).with_name(name)
            link.parent.mkdir(parents=True)
            link.symlink_to(path)
        tools.succeed("nipoppy", "init", "--study", folder, "--bids-source", raw, "--default-config")
        shutil.copytree(derivatives, folder / "derivatives" / "fmriprep" / FMRIPREP_VERSION / "output")
        if engine.runs_files:
            (folder / "containers" / f"deeptaskgen_{VERSION}.sif").symlink_to(engine.image)

    @property
    def outputs(self):
        """Return the folder of the pipeline's derivatives."""
        return self.folder / "derivatives" / "deeptaskgen" / VERSION

    def install(self, descriptors):
        """Install both pipelines and set their variables, as docs/how-to/nipoppy.md describes."""
        for name in PIPELINES:
            source = descriptors / "nipoppy" / name
            self.tools.succeed("nipoppy", "pipeline", "validate", source)
            self.run("pipeline", "install", source, "--skip-container")
        home = self.folder.with_name("home")
        path = self.folder / "global_config.json"
        text = path.read_text("utf-8")
        for name, value in (
            ("FMRIPREP_VERSION", FMRIPREP_VERSION),
            ("MODEL", copy_model(home)),
            ("DEEPTASKGEN_HOME", str(home)),
        ):
            assert f'"{name}": null' in text
            text = text.replace(f'"{name}": null', f'"{name}": "{value}"')
        if not self.engine.runs_files:
            text = text.replace('"COMMAND": "apptainer"', '"COMMAND": "docker"')
            text = text.replace('"--cleanenv"', f'"--user", "{os.getuid()}:{os.getgid()}"')
        path.write_text(text, "utf-8")

    def run(self, *words):
        """Run a command of Nipoppy that must succeed; return its output."""
        return self.tools.succeed("nipoppy", *words, "--study", self.folder, engine=self.engine)

    def track(self):
        """Track the pipeline; return the status of each participant and session."""
        self.run("track-processing", "--pipeline", "deeptaskgen")
        rows = read_tsv(self.folder / "derivatives" / "processing_status.tsv")
        return {(row["participant_id"], row["session_id"]): row["status"] for row in rows}


@pytest.fixture(scope="module")
def study(tmp_path_factory, tools, engine, descriptors, session_data):
    """Return a study in which the pipeline has run."""
    study = Study(tmp_path_factory.mktemp("sessions") / "study", session_data, tools, engine)
    study.install(descriptors)
    study.run("track-curation")
    # Without a run, the tracker must not find anything.
    assert set(study.track().values()) == {"FAIL"}
    assert study.run("process", "--pipeline", "deeptaskgen", "--simulate").count("Generated Command") == 2
    study.run("process", "--pipeline", "deeptaskgen", "--participant-id", "01")
    return study


def test_the_tracker_tells_finished_participants_from_others(study):
    expected = {("01", "1"): "SUCCESS", ("01", "2"): "SUCCESS", ("02", "1"): "FAIL", ("02", "2"): "FAIL"}
    assert study.track() == expected
    # Only the other participant runs.
    text = study.run("process", "--pipeline", "deeptaskgen")
    assert "Ran for 1 out of 1 participants" in text
    assert set(study.track().values()) == {"SUCCESS"}
    outcome = study.tools.run(
        "nipoppy", "process", "--pipeline", "deeptaskgen", "--study", study.folder, engine=study.engine
    )
    assert "No participants or sessions to run" in outcome.text


def test_the_maps_are_complete(study):
    results = [result for result in read_results(study.outputs / "output") if result.subject == "01"]
    assert [(result.session, len(result.maps.contrasts)) for result in results] == [("1", 47), ("2", 47)]


@pytest.mark.parametrize("ending", ["_desc-qc_metrics.json", "_meas-PearsonCorrelation_relmat.tsv"])
def test_a_session_with_a_removed_file_is_not_finished(study, tmp_path, ending):
    (path,) = (study.outputs / "output" / "sub-01" / "ses-2").rglob(f"*{ending}")
    shutil.move(path, tmp_path / "file")
    try:
        status = study.track()
        assert (status["01", "1"], status["01", "2"]) == ("SUCCESS", "FAIL")
    finally:
        shutil.move(tmp_path / "file", path)
    assert study.track()["01", "2"] == "SUCCESS"


def test_the_phenotypes_are_those_of_the_export_of_this_checkout(study, tmp_path):
    study.track()
    text = study.run("extract", "--pipeline", "deeptaskgen_idps")
    assert "Ran on the entire study" in text
    run_workbench("export", "nipoppy", study.outputs / "output", tmp_path / "idp")
    expected = {path.name: path.read_bytes() for path in (tmp_path / "idp").iterdir()}
    assert {path.name: path.read_bytes() for path in (study.outputs / "idp").iterdir()} == expected
    (table,) = (study.outputs / "idp").glob("*_desc-maps_idps.tsv")
    rows = {(row["participant_id"], row["session_id"]) for row in read_tsv(table)}
    finished = {
        (result.subject, result.session or "unnamed") for result in read_results(study.outputs / "output")
    }
    assert rows == finished
    # A second extraction replaces the tables.
    study.run("extract", "--pipeline", "deeptaskgen_idps")


def test_data_without_sessions_need_the_other_tracker(tmp_path, tools, engine, descriptors, data):
    study = Study(tmp_path / "study", data, tools, engine)
    study.install(descriptors)
    study.run("track-curation")
    study.run("process", "--pipeline", "deeptaskgen")
    assert study.track() == {("01", "unnamed"): "FAIL", ("02", "unnamed"): "FAIL"}
    config = study.folder / "pipelines" / "processing" / PIPELINES[0] / "config.json"
    text = config.read_text("utf-8").replace('"tracker.json"', '"tracker_without_sessions.json"')
    config.write_text(text, "utf-8")
    assert study.track() == {("01", "unnamed"): "SUCCESS", ("02", "unnamed"): "SUCCESS"}
    study.run("extract", "--pipeline", "deeptaskgen_idps")
    (table,) = (study.outputs / "idp").glob("*_desc-maps_idps.tsv")
    labels = [(row["participant_id"], row["session_id"]) for row in read_tsv(table)]
    assert labels == [("01", "unnamed"), ("02", "unnamed")]
