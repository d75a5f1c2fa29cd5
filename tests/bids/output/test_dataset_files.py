import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given

from bids_deeptaskgen.bids.input.derivatives import read_description
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.output.dataset_files import (
    dataset_settings_hash,
    methods_sentences,
    write_dataset_files,
)
from bids_deeptaskgen.settings.base import science_settings
from bids_deeptaskgen.settings.methods import SECTIONS
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.bids.cards import card
from tests.bids.trees import describe, run, touch
from tests.settings.settings_values import settings_of

ROOT = Path(__file__).parents[3]


def science(**changes):
    changes = {"nuisance_regressors": "acompcor"} | changes
    return science_settings(ParticipantSettings("in", "out", **changes))


def write_files(out, derivatives, **changes):
    values = {
        "version": "1.2.3",
        "card": card(),
        "settings": science(),
        "settings_hash": "cd" * 32,
        "versions": {"torch": "2.13.0", "numpy": "2.4.0"},
    }
    root = derivatives.absolute()
    dataset = InputDataset("fmriprep", root, "fmriprep", description=read_description(root))
    write_dataset_files(out, located=dataset, **(values | changes))


@pytest.fixture
def derivatives(tmp_path):
    folder = describe(tmp_path / "raw" / "derivatives" / "fmriprep")
    run(folder, "01")
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def references_of(out):
    """Return the first authors of the references of the text for papers."""
    text = (out / "CITATION.md").read_text("utf-8")
    lines = text.partition("## References\n")[2].splitlines()
    return {line.split()[1] for line in lines if line.startswith("- ")}


def test_only_cited_references_are_listed(tmp_path, derivatives):
    always = {"Behzadi", "Ciric", "Esteban", "Gorgolewski", "Nickerson", "Oktay", "Serin", "Yarkoni"}
    write_files(tmp_path / "plain", derivatives)
    assert references_of(tmp_path / "plain") == always
    settings = science(nuisance_regressors="36P", fd_threshold=0.5)
    write_files(tmp_path / "other", derivatives, settings=settings)
    assert references_of(tmp_path / "other") == always - {"Behzadi"} | {"Power", "Satterthwaite"}
    write_files(tmp_path / "aroma", derivatives, settings=science(nuisance_regressors="aroma"))
    assert references_of(tmp_path / "aroma") == always - {"Behzadi"} | {"Pruim"}


def test_description_lists_this_software_before_the_pipelines_of_the_input(tmp_path, derivatives):
    write_files(tmp_path / "out", derivatives)
    description = json.loads((tmp_path / "out" / "dataset_description.json").read_text("utf-8"))
    assert description["DatasetType"] == "derivative"
    assert [entry["Name"] for entry in description["GeneratedBy"]] == ["deeptaskgen", "fMRIPrep"]
    assert [entry["Version"] for entry in description["GeneratedBy"]] == ["1.2.3", "25.2.5"]
    assert description["DatasetLinks"] == {"fmriprep": "../raw/derivatives/fmriprep"}
    assert description["BIDSVersion"] == "1.11.1"


def test_settings_hash_is_read_or_none_for_other_datasets(tmp_path, derivatives):
    assert dataset_settings_hash(tmp_path / "out") is None
    assert dataset_settings_hash(derivatives) is None
    write_files(tmp_path / "out", derivatives)
    assert dataset_settings_hash(tmp_path / "out") == "cd" * 32
    describe(tmp_path / "out", DeepTaskGen="?")
    assert dataset_settings_hash(tmp_path / "out") is None


def test_second_call_writes_nothing(tmp_path, derivatives):
    out = tmp_path / "out"
    write_files(out, derivatives)
    modification_times = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert set(modification_times) == {
        ".bidsignore",
        "CITATION.md",
        "README",
        "dataset_description.json",
        "descriptions.tsv",
    }
    write_files(out, derivatives)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == modification_times


def test_parallel_processes_write_the_same_files_as_one_process(tmp_path, derivatives):
    code = (
        "import sys; from pathlib import Path; from tests.bids.output.test_dataset_files import write_files;"
        "[write_files(Path(sys.argv[1]), Path(sys.argv[2])) for _ in range(20)]"
    )
    command = [sys.executable, "-c", code, tmp_path / "many", derivatives]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    write_files(tmp_path / "one", derivatives)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def test_description_is_written_for_derivatives_without_description(tmp_path, derivatives):
    (derivatives / "dataset_description.json").unlink()
    write_files(tmp_path / "out", derivatives)
    description = json.loads((tmp_path / "out" / "dataset_description.json").read_text("utf-8"))
    assert [entry["Name"] for entry in description["GeneratedBy"]] == ["deeptaskgen"]


@pytest.mark.parametrize("source", ["derivatives", "raw", "raw_root"])
def test_participants_table_is_copied_from_each_possible_folder(tmp_path, derivatives, source):
    raw_root = tmp_path / "elsewhere"
    folder = {"derivatives": derivatives, "raw": tmp_path / "raw", "raw_root": raw_root}[source]
    touch(folder / "participants.tsv", "participant_id\tage\nsub-01\t33\n")
    touch(folder / "participants.json", '{"age": {"Units": "year"}}')
    write_files(tmp_path / "out", derivatives, bids_dir=raw_root)
    assert (tmp_path / "out" / "participants.tsv").read_text() == "participant_id\tage\nsub-01\t33\n"
    assert (tmp_path / "out" / "participants.json").is_file()


def test_citation_names_method_model_and_versions(tmp_path, derivatives):
    write_files(tmp_path / "out", derivatives, settings=science(nuisance_regressors="none"))
    text = (tmp_path / "out" / "CITATION.md").read_text("utf-8")
    for word in (
        "bids_deeptaskgen 1.2.3",
        "fMRIPrep 25.2.5",
        "already cleaned",
        '"tiny"',
        "ab" * 32,
        "47 contrasts of the model",
        "not measurements",
        "- numpy 2.4.0\n- torch 2.13.0",
        "10.1038/s42003-025-09158-6",
        "10.1038/s41592-018-0235-4",
    ):
        assert word in text
    assert "$" not in text


def test_citation_of_calibrated_maps_describes_the_calibration(tmp_path, derivatives):
    for name, calibrated in (("calibrated", True), ("plain", False)):
        write_files(tmp_path / name, derivatives, settings=science(calibrated=calibrated))
    text, plain = ((tmp_path / name / "CITATION.md").read_text("utf-8") for name in ("calibrated", "plain"))
    line = next(line for line in text.splitlines() if "averaged with the mean measured map" in line)
    assert text.replace(f"{line}\n", "") == plain


def test_notice_of_the_model_is_in_readme_and_citation(tmp_path, derivatives):
    write_files(
        tmp_path / "out", derivatives, card=card(for_science=False, notice="For trying the software.")
    )
    for name in ("README", "CITATION.md"):
        assert "**For trying the software.**" in (tmp_path / "out" / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"nuisance_regressors": "acompcor"},
            ["aCompCor", "1/128 Hz", "non-steady-state", "No threshold of framewise"],
        ),
        ({"nuisance_regressors": "36P"}, ["36 parameters", "1/128 Hz", "run by run"]),
        ({"nuisance_regressors": "aroma"}, ["Pruim et al. 2015"]),
        ({"custom_confounds": "breathing"}, ["Custom regressors (breathing)"]),
        ({"smoothing": 5.0}, ["kernel of 5 mm"]),
        ({"nuisance_regressors": "none"}, ["already cleaned", "4 minutes", "60 residual"]),
        ({"high_pass": 0.01}, ["cut-off 0.01 Hz"]),
        ({"high_pass": 0}, ["No high-pass filter"]),
        ({"dummy_scans": 4}, ["first 4 volumes"]),
        ({"fd_threshold": 0.5}, ["above 0.5 mm", "Power et al. 2012"]),
        ({"n_windows": 8}, ["divided into 8 windows"]),
        ({"n_windows": "auto"}, ["about the length"]),
        ({"combine_runs": False}, ["used separately"]),
        ({"input_mask": "gm"}, ["model's output mask"]),
        ({"calibrated": True}, ["averaged with the mean measured map"]),
    ],
    ids=str,
)
def test_methods_text_describes_the_settings(changes, words):
    text = " ".join(methods_sentences(science(**changes)).values())
    assert [word for word in words if word not in text] == []
    assert "$" not in text


def test_methods_text_lists_sentences_in_processing_order():
    options = {
        "fd_threshold": 0.25,
        "dummy_scans": 2,
        "smoothing": 6.0,
        "high_pass": "auto",
        "custom_confounds": "/tables/breathing",
        "combine_runs": False,
        "n_windows": 3,
        "input_mask": "brain",
        "min_minutes": 0,
        "min_dof": 7,
    }
    assert methods_sentences(science(nuisance_regressors="gsr_only", **options)) == {
        "cleaning": "The mean signal of the whole brain was removed by linear regression, with an intercept, "
        "run by run.\n"
        "Custom regressors (breathing) were removed in the same regression.\n"
        "Slow drifts were removed in the same regression, with fMRIPrep's cosine regressors (cut-off 1/128 "
        "Hz) or with the same basis if the table lacked them.\n"
        "Each volume was smoothed inside the brain mask with a Gaussian kernel of 6 mm full width at half "
        "maximum.\n"
        "The first 2 volumes of each run were removed.\n"
        "Volumes with a framewise displacement (Power et al. 2012) above 0.25 mm were censored: they entered "
        "neither the regression nor the correlations.\n"
        "Sessions with less than 0 minutes of kept volumes, or fewer than 7 residual degrees of freedom, "
        "were excluded.",
        "pooling": "Each run was used separately.",
        "windows": "Each run was divided into 3 windows; the maps are the mean of the predictions from "
        "single windows.\nThe input of the model was the connectome of the whole brain.",
        "calibration": "",
    }


def test_methods_text_omits_automatic_filter_without_nuisance_regressors():
    cleaning = methods_sentences(science(nuisance_regressors="none"))["cleaning"]
    assert "drifts" not in cleaning
    assert "filter" not in cleaning
    assert "\n\n" not in cleaning


def test_options_with_sentences_have_one_for_each_choice():
    for spec in option_specs(ParticipantSettings):
        sentences = spec.option.methods
        if sentences and spec.option.choices:
            # The input decides what auto means, before anything is written.
            assert set(sentences.choices) == set(spec.option.choices) - {"auto"}
        assert sentences is None or sentences.section in SECTIONS
        assert sentences is None or spec.option.affects_output


@given(settings_of(ParticipantSettings).filter(lambda settings: settings.nuisance_regressors != "auto"))
def test_all_settings_have_a_methods_text(settings):
    sections = methods_sentences(science_settings(settings))
    assert tuple(sections) == SECTIONS
    assert all(text for name, text in sections.items() if name != "calibration")
    assert bool(sections["calibration"]) == settings.calibrated
    # The name of a folder may hold anything.
    text = "\n".join(sections.values())
    assert "$" not in text or "$" in str(settings.custom_confounds)


def test_bidsignore_and_descriptions_are_complete(tmp_path, derivatives):
    write_files(tmp_path / "out", derivatives)
    ignored_patterns = (tmp_path / "out" / ".bidsignore").read_text("utf-8").split()
    assert {"CITATION.md", "*_statmap.*", "*.html", "figures", "logs", "work", "group"} <= set(
        ignored_patterns
    )
    rows = (tmp_path / "out" / "descriptions.tsv").read_text("utf-8").splitlines()
    assert rows[0] == "desc_id\tdescription"
    assert [row.split("\t")[0] for row in rows[1:3]] == ["desc-predicted", "desc-windowSD"]
