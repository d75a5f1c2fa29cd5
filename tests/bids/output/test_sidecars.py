import json

import pytest

from bids_deeptaskgen.bids.output.sidecars import Provenance, group_sidecar, statmap_sidecar
from bids_deeptaskgen.models.contrasts import load_contrasts
from tests.bids.cards import card

FACES = next(contrast for contrast in load_contrasts() if contrast.label == "emotionFacesMinusShapes")
# Fields that BIDS requires of a derivative image with space and res in its name.
REQUIRED = {"SkullStripped": bool, "Resolution": str, "Description": str, "SpatialReference": str}
SOURCES = ["bids:fmriprep:sub-01/func/bold.nii.gz", "bids:fmriprep:sub-01/func/confounds.tsv"]


def provenance(**changes):
    values = {
        "card": card(),
        "task": "rest",
        "runs": ({"sources": SOURCES, "n_volumes": 200, "regressors": ["csf"]}, {"sources": SOURCES[:1]}),
        "settings": {"high_pass": "auto"},
        "settings_hash": "cd" * 32,
        "processing": {"n_windows": 1, "device": "cpu"},
    }
    return Provenance(**(values | changes))


@pytest.mark.parametrize("kind", ["statmap", "window_sd", "connectome"])
def test_sidecar_has_fields_that_bids_requires(kind):
    sidecar = statmap_sidecar(provenance(), FACES, kind)
    assert {key: type(sidecar[key]) for key in REQUIRED} == REQUIRED
    assert sidecar["TaskName"] == "rest"


def test_description_of_predicted_map_denies_measurement():
    description = statmap_sidecar(provenance(), FACES)["Description"]
    assert "predicted from resting-state fMRI; not a test statistic, not measured" in description
    window_description = statmap_sidecar(provenance(), FACES, "window_sd")["Description"]
    assert "not a standard error" in window_description
    assert "not measured" in window_description


def test_sources_are_unique_uris_and_are_not_repeated_in_runs():
    sidecar = statmap_sidecar(provenance(), FACES)
    assert sidecar["Sources"] == SOURCES
    assert sidecar["DeepTaskGen"]["Runs"] == [{"n_volumes": 200, "regressors": ["csf"]}, {}]


def test_sidecar_contains_model_contrast_settings_and_computation():
    content = statmap_sidecar(provenance(), FACES)["DeepTaskGen"]
    assert content["Contrast"]["SourceName"] == "EMOTION FACES-SHAPES"
    assert content["Contrast"]["Units"] == "z"
    assert (content["Model"]["Name"], content["Model"]["WeightsSha256"]) == ("tiny", "ab" * 32)
    assert content["Model"]["Licence"] == "Apache-2.0"
    assert content["Settings"] == {"high_pass": "auto"}
    assert content["SettingsHash"] == "cd" * 32
    assert content["Computed"] == {"n_windows": 1, "device": "cpu"}


def test_only_contrasts_with_low_retest_correlation_have_a_warning():
    contrasts_with_warning = {
        contrast.source_name
        for contrast in load_contrasts()
        if "Warning" in statmap_sidecar(provenance(), contrast)["DeepTaskGen"]["Contrast"]
    }
    assert contrasts_with_warning == {"GAMBLING PUNISH-REWARD", "WM TOOL-AVG", "RELATIONAL MATCH-REL"}


def test_notice_is_in_sidecars_of_models_not_for_science_only():
    trial_provenance = provenance(card=card(for_science=False, notice="For trying the software."))
    for kind in ("statmap", "window_sd", "connectome"):
        sidecar = statmap_sidecar(trial_provenance, FACES, kind)
        assert sidecar["Description"].endswith(" For trying the software.")
        assert sidecar["DeepTaskGen"]["Notice"] == "For trying the software."
    assert "Notice" not in statmap_sidecar(provenance(), FACES)["DeepTaskGen"]


def test_equal_provenance_gives_equal_text():
    first_text, second_text = (json.dumps(statmap_sidecar(provenance(), FACES)) for _ in range(2))
    assert first_text == second_text


def test_sidecar_of_connectome_has_no_contrast():
    assert "Contrast" not in statmap_sidecar(provenance(), None, "connectome")["DeepTaskGen"]


def test_group_sidecar_has_description_and_number_of_participants():
    sidecars = [group_sidecar(FACES, stat, "rest", 12) for stat in ("mean", "sd", "count")]
    assert len({sidecar["Description"] for sidecar in sidecars}) == 3
    for sidecar in sidecars:
        assert {key: type(sidecar[key]) for key in REQUIRED} == REQUIRED
        assert sidecar["DeepTaskGen"]["NumberOfParticipants"] == 12
