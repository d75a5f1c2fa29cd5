"""Rougher arithmetic is refused before anything is computed, or said in every sidecar."""

import json

import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn import precision


def test_the_sidecars_say_in_which_arithmetic_the_maps_were_made(simulated, settings_of, monkeypatch):
    # The tests' model has random weights, which do not stand it.
    monkeypatch.setattr(precision, "MAX_CHANGE", 1.0)
    settings = settings_of(simulated, participant_label=("01",), device="cpu", precision="bf16")
    assert participant.run(settings) == 0
    sidecars = list(settings.output_dir.glob("sub-01/func/*_statmap.json"))
    assert sidecars
    for path in sidecars:
        assert json.loads(path.read_text("utf-8"))["DeepTaskGen"]["Computed"]["Precision"] == "bf16"


def test_an_arithmetic_that_the_device_lacks_ends_the_run_before_anything_is_written(simulated, settings_of):
    settings = settings_of(simulated, device="cpu", precision="tf32")
    with pytest.raises(UserError, match="`precision` tf32"):
        participant.run(settings)
    assert not list(settings.output_dir.glob("sub-*"))
