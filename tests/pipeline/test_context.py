"""Laws of the context of a run: made once, small on its way to another process."""

import json
import pickle
import shutil
from copy import deepcopy

import pytest

from bids_deeptaskgen.bids.input import derivatives, sources
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.models import bundle as bundles
from bids_deeptaskgen.models.bundle import open_bundle
from bids_deeptaskgen.pipeline import context as contexts
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.settings.participant import ParticipantSettings


@pytest.fixture
def settings(participants, model, tmp_path):
    own_model = shutil.copytree(model, tmp_path / "model")
    return ParticipantSettings(
        participants, tmp_path / "out", model=str(own_model), nprocs=1, min_minutes=0.5, min_dof=1
    )


def counted(monkeypatch, module, name):
    """Count the calls of a function that a module uses."""
    calls, function = [], getattr(module, name)

    def counting(*arguments, **keywords):
        calls.append(arguments)
        return function(*arguments, **keywords)

    monkeypatch.setattr(module, name, counting)
    return calls


def test_a_run_opens_the_model_reads_the_description_and_chooses_the_contrasts_once(settings, monkeypatch):
    opened = counted(monkeypatch, bundles, "load_bundle")
    descriptions = counted(monkeypatch, derivatives, "read_description")
    contrast_choices = counted(monkeypatch, contexts, "choose_contrasts")
    assert participant.run(settings) == 0
    assert len(opened) == len(contrast_choices) == 1
    assert [folder for (folder,) in descriptions] == [settings.bids_dir]


def test_a_context_travels_as_the_folder_of_its_model(settings):
    context = make_context(settings, sources.locate(settings.bids_dir))
    travelled = pickle.dumps(context)
    assert len(travelled) < 20_000
    arrived = pickle.loads(travelled)
    assert arrived.bundle is context.bundle
    assert deepcopy(context).bundle is context.bundle
    assert (arrived.settings, arrived.settings_hash) == (context.settings, context.settings_hash)


def test_a_model_that_has_changed_is_opened_again(settings):
    folder = make_context(settings, sources.locate(settings.bids_dir)).bundle.folder
    bundle = open_bundle(folder)
    assert open_bundle(folder) is bundle
    card = json.loads((folder / "card.json").read_text("utf-8"))
    (folder / "card.json").write_text(json.dumps(card | {"name": "renamed"}), "utf-8")
    assert open_bundle(folder).card.name == "renamed"
