"""Registry of published models: complete, pinned, and consistent with the models' publications."""

import pytest

from bids_deeptaskgen.models.card import INPUT_MASKS
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.models.registry import published_models
from bids_deeptaskgen.settings.participant import ParticipantSettings

MODELS = published_models()
# Git blob hashes in the authors' repositories at the pinned commits.
PINNED = {
    "hcp-ya/main_model_hcp-ya_010525.ckpt": "f959b675221476bc05cdbeb5055605cd63401ddb",
    "hcp-d/finetuned_model_hcp-d_010525.ckpt": "868ad5af11b2cb3b024a358ea46ae5b2008fd7b0",
    "ukb/finetuned_model_ukb_010525.ckpt": "49624dbb352404ec3a55c51760046ce7e3ceed13",
    "misc/MNI_2mm_GM_mask_crop.nii": "895e951e645535de4481aa42ca31ef3c3b9505e0",
    "experiments/utils/templates/melodic_IC_MNI_2mm.nii.gz": "68d1d8b0ff376ed69b995446b7637328e33d5a3f",
}
COMMITS = {
    "eminSerin/deeptaskgen-models": "64cf419273251cfd63675b680df37f25b02600cb",
    "eminSerin/deeptaskgen-paper": "713838f0db66a032aec4d014955e465afef13e00",
}


def test_the_default_model_is_the_first_published_model():
    assert list(MODELS) == ["hcp-ya", "hcp-d", "ukb"]
    assert ParticipantSettings("/data", "/out").model == "hcp-ya"


def test_every_file_is_pinned_to_its_commit_and_its_content():
    files = {file for model in MODELS.values() for file in model.files}
    assert {file.path: file.git_blob_sha1 for file in files} == PINNED
    assert all(COMMITS[file.repository] == file.commit for file in files)
    assert len({file.name for file in files}) == len(files)


def test_urls_are_those_of_raw_files_at_github(monkeypatch):
    monkeypatch.delenv("DEEPTASKGEN_MIRROR", raising=False)
    file = MODELS["hcp-ya"].output_mask
    assert file.url == file.address
    assert file.url == (
        "https://raw.githubusercontent.com/eminSerin/deeptaskgen-models/"
        "64cf419273251cfd63675b680df37f25b02600cb/misc/MNI_2mm_GM_mask_crop.nii"
    )
    monkeypatch.setenv("DEEPTASKGEN_MIRROR", "http://mirror/")
    assert file.url == file.address.replace("https://raw.githubusercontent.com", "http://mirror")


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_a_model_has_all_fields_of_a_card(model):
    assert model.input_mask in INPUT_MASKS
    assert model.licence == "GPL-3.0"
    assert "10.1038/s42003-025-09158-6" in model.citation
    assert model.parent in (None, *MODELS)
    assert model.description.endswith(".")
    assert len(model.description) < 90
    valid_names = [contrast.source_name for contrast in load_contrasts()]
    for n_channels, names in model.contrasts.items():
        assert len(valid_names if names is None else names) in (n_channels, 0)
        assert names is None or set(names) <= set(valid_names)


def test_window_minutes_equal_volumes_times_repetition_time():
    assert {name: model.window_minutes for name, model in MODELS.items()} == {
        "hcp-ya": pytest.approx(600 * 0.72 / 60),
        "hcp-d": None,
        "ukb": pytest.approx(490 * 0.735 / 60, abs=0.01),
    }
