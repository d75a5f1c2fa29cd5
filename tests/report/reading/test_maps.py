"""Maps of a page are in the order of the network's channels, in files of either layout."""

from types import SimpleNamespace

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.sidecars import Provenance, statmap_sidecar
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.report.reading import maps
from bids_deeptaskgen.report.reading.maps import read_maps
from tests.bids.cards import card

ENTRY = {"SourceName": "x", "Units": "z"}


def read_order(monkeypatch, entries):
    """Return the order in which maps are read from files in alphabetical order."""
    labels = sorted(entries)
    sampler = SimpleNamespace(mask=np.ones(1, bool))
    statmaps = [(label, np.ones(1, np.float32)) for label in labels]
    monkeypatch.setattr(
        maps, "contrast_entries", lambda _sources: {label: entries[label] for label in labels}
    )
    monkeypatch.setattr(maps, "read_statmaps", lambda _sources: iter(statmaps))
    monkeypatch.setattr(maps, "sd_kind", lambda _sources: ("", ""))
    monkeypatch.setattr(maps, "make_surface_sampler", lambda _mask: sampler)
    monkeypatch.setattr(maps, "map_images", lambda _values, _sampler: None)
    sources = SimpleNamespace(
        result=SimpleNamespace(maps=SimpleNamespace(contrasts=labels)), rows=lambda _kind: []
    )
    return [content.label for content in read_maps(sources)]


def test_maps_are_in_the_order_of_the_channels(monkeypatch):
    entries = {
        label: {"Label": label, "Task": "T", "Channel": channel, **ENTRY}
        for channel, label in enumerate(("c", "a", "b"))
    }
    assert read_order(monkeypatch, entries) == ["c", "a", "b"]


def test_maps_of_an_earlier_version_are_in_the_order_of_task_and_label(monkeypatch):
    tasks = {"a": "Y", "b": "X", "c": "Y"}
    entries = {label: {"Label": label, "Task": task, **ENTRY} for label, task in tasks.items()}
    assert read_order(monkeypatch, entries) == ["b", "a", "c"]


@pytest.mark.parametrize("number", [0, 2])
def test_a_sidecar_states_the_channel(number):
    contrasts = load_contrasts()[:3]
    provenance = Provenance(card(contrasts=contrasts), "rest", (), {}, "s" * 64)
    for layout in ("Contrast", "Contrasts"):
        contrast = contrasts[number] if layout == "Contrast" else [contrasts[number]]
        entry = statmap_sidecar(provenance, contrast)["DeepTaskGen"][layout]
        assert (entry if layout == "Contrast" else entry[0])["Channel"] == number
