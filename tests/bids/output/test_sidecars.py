import json

import pytest

from bids_deeptaskgen.bids.output.sidecars import Provenance, group_sidecar, statmap_sidecar
from bids_deeptaskgen.models.contrasts import load_contrasts
from tests.bids.cards import card

FACES = next(one for one in load_contrasts() if one.label == "emotionFacesMinusShapes")
# What BIDS asks of a derivative image with space and res in its name.
REQUIRED = {"SkullStripped": bool, "Resolution": str, "Description": str, "SpatialReference": str}
SOURCES = ["bids:fmriprep:sub-01/func/bold.nii.gz", "bids:fmriprep:sub-01/func/confounds.tsv"]


def provenance(**changes):
    values = {
        "card": card(),
        "task": "rest",
        "runs": ({"sources": SOURCES, "n_volumes": 200, "regressors": ["csf"]}, {"sources": SOURCES[:1]}),
        "settings": {"high_pass": "auto"},
        "settings_hash": "cd" * 32,
        "computed": {"n_windows": 1, "device": "cpu"},
    }
    return Provenance(**(values | changes))


@pytest.mark.parametrize("kind", ["statmap", "window_sd", "connectome"])
def test_a_sidecar_has_what_bids_requires(kind):
    sidecar = statmap_sidecar(provenance(), FACES, kind)
    assert {key: type(sidecar[key]) for key in REQUIRED} == REQUIRED
    assert sidecar["TaskName"] == "rest"


def test_a_predicted_map_says_that_it_is_no_test_statistic_and_not_measured():
    description = statmap_sidecar(provenance(), FACES)["Description"]
    assert "predicted from resting-state fMRI; not a test statistic, not measured" in description
    spread = statmap_sidecar(provenance(), FACES, "window_sd")["Description"]
    assert "not a standard error" in spread
    assert "not measured" in spread


def test_sources_are_bids_uris_each_once_and_stay_out_of_the_runs():
    sidecar = statmap_sidecar(provenance(), FACES)
    assert sidecar["Sources"] == SOURCES
    assert sidecar["DeepTaskGen"]["Runs"] == [{"n_volumes": 200, "regressors": ["csf"]}, {}]


def test_a_sidecar_tells_model_contrast_settings_and_computation():
    own = statmap_sidecar(provenance(), FACES)["DeepTaskGen"]
    assert own["Contrast"]["SourceName"] == "EMOTION FACES-SHAPES"
    assert own["Contrast"]["Units"] == "z"
    assert (own["Model"]["Name"], own["Model"]["WeightsSha256"]) == ("tiny", "ab" * 32)
    assert own["Model"]["Licence"] == "Apache-2.0"
    assert own["Settings"] == {"high_pass": "auto"}
    assert own["SettingsHash"] == "cd" * 32
    assert own["Computed"] == {"n_windows": 1, "device": "cpu"}


def test_contrasts_that_do_not_agree_with_themselves_carry_a_warning_and_no_others_do():
    warned = {
        one.source_name
        for one in load_contrasts()
        if "Warning" in statmap_sidecar(provenance(), one)["DeepTaskGen"]["Contrast"]
    }
    assert warned == {"GAMBLING PUNISH-REWARD", "WM TOOL-AVG", "RELATIONAL MATCH-REL"}


def test_the_notice_of_a_model_that_is_not_for_science_is_in_every_sidecar_and_of_others_in_none():
    play = provenance(card=card(for_science=False, notice="For trying the software."))
    for kind in ("statmap", "window_sd", "connectome"):
        sidecar = statmap_sidecar(play, FACES, kind)
        assert sidecar["Description"].endswith(" For trying the software.")
        assert sidecar["DeepTaskGen"]["Notice"] == "For trying the software."
    assert "Notice" not in statmap_sidecar(provenance(), FACES)["DeepTaskGen"]


def test_the_same_facts_give_the_same_text():
    one, other = (json.dumps(statmap_sidecar(provenance(), FACES)) for _ in range(2))
    assert one == other


def test_a_connectome_belongs_to_no_contrast():
    assert "Contrast" not in statmap_sidecar(provenance(), None, "connectome")["DeepTaskGen"]


def test_group_maps_say_what_they_are_and_over_how_many_people():
    sidecars = [group_sidecar(FACES, stat, "rest", 12) for stat in ("mean", "sd", "count")]
    assert len({sidecar["Description"] for sidecar in sidecars}) == 3
    for sidecar in sidecars:
        assert {key: type(sidecar[key]) for key in REQUIRED} == REQUIRED
        assert sidecar["DeepTaskGen"]["NumberOfParticipants"] == 12
