"""Whether a trained model is for science follows from its participants, not from those of its ROI maps."""

import json

import pytest

from bids_deeptaskgen.models.architecture import ridge_architecture
from bids_deeptaskgen.training.card_words import SIMULATED_NOTICE, science_status
from tests.bundles import tiny_card

TOY = tiny_card(name="toy", notice="Trained on nobody.")


@pytest.fixture
def statmaps(tmp_path):
    return tmp_path


def test_real_participants_make_a_model_for_science_whose_roi_maps_are_named(statmaps):
    notice = "The ROI maps of this model are those of toy, which is not for science."
    assert science_status(statmaps, TOY, uses_weights=False) == (True, notice)


@pytest.mark.parametrize("changes", [{"for_science": True}, {"untrained": True}])
def test_roi_maps_of_other_models_need_no_notice(statmaps, changes):
    card = tiny_card(**{"notice": "About its weights.", **changes})
    assert science_status(statmaps, card, uses_weights=False) == (True, "")


def test_weights_of_the_parent_bring_its_notice(statmaps):
    assert science_status(statmaps, TOY, uses_weights=True) == (False, TOY.notice)


@pytest.mark.parametrize("uses_weights", [False, True])
def test_simulated_participants_make_no_model_for_science(statmaps, uses_weights):
    description = {"Name": "x", "GeneratedBy": [{"Name": "bids-deeptaskgen simulate"}, {"Name": "fMRIPrep"}]}
    (statmaps / "dataset_description.json").write_text(json.dumps(description), "utf-8")
    base = tiny_card(for_science=True, notice="")
    assert science_status(statmaps, base, uses_weights=uses_weights) == (False, SIMULATED_NOTICE)


def test_a_table_of_paths_counts_as_real(statmaps):
    table = statmaps / "maps.tsv"
    table.write_text("participant_id\tcontrast\tpath\n")
    assert science_status(table, tiny_card(for_science=True, notice=""), uses_weights=False) == (True, "")


def test_a_network_takes_the_input_mask_of_a_network_but_not_of_a_ridge_model():
    assert tiny_card(input_mask="gm").network_input_mask == "gm"
    ridge = tiny_card(input_mask="gm", architecture=ridge_architecture(3, 2))
    assert ridge.network_input_mask == "brain"
