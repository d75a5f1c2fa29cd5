"""One image without BIDS goes the way that a dataset goes."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.workflow.arrangements import files_of, masked, save

SMALL = ("--nprocs=1", "--min-minutes=1", "--min-dof=5", "--dummy-scans=2", "--reports=none")


def maps_of(output):
    paths = sorted(output.glob("sub-*/func/*_desc-predicted_statmap.nii.gz"))
    return np.stack([nib.load(path).get_fdata(dtype=np.float32) for path in paths])


def predict(*words):
    return workbench.main(["predict", *map(str, words)])


@pytest.fixture(scope="module")
def by_dataset(simulated, model, tmp_path_factory):
    """Compute the maps of a participant in a dataset, with and without confounds."""
    made = {}
    for preset in ("acompcor", "none"):
        output = tmp_path_factory.mktemp("dataset") / preset
        settings = ParticipantSettings(
            simulated,
            output,
            model=str(model),
            nprocs=1,
            min_minutes=1,
            min_dof=5,
            participant_label=("01",),
            nuisance_regressors=preset,
            dummy_scans=2,
        )
        assert participant.run(settings) == 0
        made[preset] = maps_of(output)
    return made


def test_an_image_with_its_mask_and_table_gives_the_maps_of_its_dataset(
    simulated, model, tmp_path, by_dataset
):
    files = files_of(simulated, "01")
    code = predict(
        files["bold"], tmp_path / "out", "--mask", files["mask"], "--confounds", files["confounds"],
        "--model", model, *SMALL,
    )  # fmt: skip
    assert code == 0
    np.testing.assert_array_equal(maps_of(tmp_path / "out"), by_dataset["acompcor"])
    sidecar = json.loads(next((tmp_path / "out").glob("sub-01/func/*_statmap.json")).read_text("utf-8"))
    assert sidecar["Sources"][0] == f"bids:input:{files['bold'].name}"
    assert sidecar["DeepTaskGen"]["Runs"][0]["t_r"] == 2.0


def test_an_image_alone_counts_as_cleaned_and_masked(simulated, model, tmp_path, by_dataset):
    image = save(masked(files_of(simulated, "01")), tmp_path / "rfMRI_REST1_LR_hp2000_clean.nii.gz")
    assert predict(image, tmp_path / "out", "--model", model, *SMALL) == 0
    assert (tmp_path / "out" / "sub-rfMRIREST1LRhp2000clean").is_dir()
    np.testing.assert_array_equal(maps_of(tmp_path / "out"), by_dataset["none"])
    # What it leaves in its logs does the same again.
    written_text = next((tmp_path / "out" / "logs").glob("*_settings.toml"))
    assert predict(image, tmp_path / "again", "--config-file", written_text) == 0
    np.testing.assert_array_equal(maps_of(tmp_path / "again"), by_dataset["none"])


def test_a_second_image_may_go_into_the_same_folder_under_another_label(simulated, model, tmp_path):
    image = save(masked(files_of(simulated, "01")), tmp_path / "a.nii.gz")
    for label in ("first", "sub-second"):
        assert predict(image, tmp_path / "out", "--label", label, "--model", model, *SMALL) == 0
    assert {path.name for path in (tmp_path / "out").glob("sub-*")} == {"sub-first", "sub-second"}


def test_only_the_maps_that_are_asked_for_are_written(simulated, model, tmp_path):
    image = save(masked(files_of(simulated, "01")), tmp_path / "a.nii.gz")
    card = json.loads((model / "card.json").read_text("utf-8"))
    label = card["contrasts"][1]["label"]
    assert predict(image, tmp_path / "out", "--contrasts", label, "--model", model, *SMALL) == 0
    assert [label in path.name for path in (tmp_path / "out").glob("sub-a/func/*_statmap.nii.gz")] == [True]


def test_the_repetition_time_may_be_given(simulated, model, tmp_path, capsys):
    image = masked(files_of(simulated, "01"))
    image.header.set_zooms((*image.header.get_zooms()[:3], 0.0))
    path = save(image, tmp_path / "a.nii.gz")
    assert predict(path, tmp_path / "out", "--model", model, *SMALL) == 3
    assert "neither the JSON nor the header gives the repetition time" in capsys.readouterr().out
    assert predict(path, tmp_path / "out", "--t-r", "2", "--model", model, *SMALL) == 0
    (tmp_path / "a.json").write_text('{"RepetitionTime": "soon"}')
    assert predict(path, tmp_path / "again", "--model", model, *SMALL) == 3
    assert "its JSON says RepetitionTime 'soon'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("{absent}",), "absent.nii.gz: no such file"),
        (("{folder}",), "is a folder, not a file"),
        (("{bold}", "--mask", "{absent}"), "absent.nii.gz: no such file"),
        (("{bold}", "--nuisance-regressors", "36P"), "36P needs fMRIPrep's confounds table"),
        (("{bold}", "--contrasts", "WMM"), "--contrasts: wmm: the model has no such contrast"),
        (("{odd}",), "Use --label"),
    ],
)
def test_what_cannot_be_used_is_refused_by_a_sentence(simulated, model, tmp_path, capsys, words, told):
    bold = files_of(simulated, "01")["bold"]
    shutil.copy(bold, tmp_path / "_.nii.gz")
    places = {
        "absent": tmp_path / "absent.nii.gz",
        "folder": tmp_path,
        "bold": bold,
        "odd": tmp_path / "_.nii.gz",
    }
    given = [word.format(**places) for word in words]
    assert predict(given[0], tmp_path / "out", *given[1:], "--model", model, *SMALL) in (2, 3)
    captured = capsys.readouterr()
    assert told in captured.out + captured.err


@pytest.mark.parametrize("option", ["bold", "--mask", "--confounds"])
def test_links_into_git_annex_without_content_are_refused_with_a_remedy(
    simulated, model, tmp_path, capsys, option
):
    files = files_of(simulated, "01")
    link = tmp_path / f"sub-01_{option.strip('-')}.nii.gz"
    link.symlink_to(".git/annex/objects/x/MD5E-s9--0123.nii.gz")
    words = [link] if option == "bold" else [files["bold"], option, link]
    assert predict(words[0], tmp_path / "out", *words[1:], "--model", model, *SMALL) == 3
    assert f"{link}: its content is not here (a link of git-annex).\nRun: datalad get {link}" in (
        capsys.readouterr().err
    )
