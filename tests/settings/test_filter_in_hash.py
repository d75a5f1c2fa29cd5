"""The settings hash has the entities of a filter file that select among the runs of a map, and no others."""

import json

import pytest

from bids_deeptaskgen.settings.base import science_settings, settings_hash
from bids_deeptaskgen.settings.bids_filter_file import ENTITIES, read_filter_file
from bids_deeptaskgen.settings.participant import ParticipantSettings

WEIGHTS = "0" * 64


def settings(**values):
    return ParticipantSettings("/data", "/out", **values)


def filtered(tmp_path, query, **changes):
    """Build settings with a filter file of one query."""
    path = tmp_path / "filter.json"
    path.write_text(json.dumps({"bold": query}), "utf-8")
    return settings(bids_filter_file=read_filter_file(path), **changes)


@pytest.mark.parametrize(
    "query",
    [
        {"session": "ses-1"},
        {"session": ["1", None], "task": "rest"},
        {"task": "*"},
        {"datatype": "func", "suffix": "bold"},
    ],
)
def test_the_hash_does_not_depend_on_a_filter_file_that_only_selects_sessions_or_tasks(tmp_path, query):
    without_filter = settings()
    assert settings_hash(filtered(tmp_path, query), WEIGHTS) == settings_hash(without_filter, WEIGHTS)
    assert science_settings(filtered(tmp_path, query)) == science_settings(without_filter)
    # The other entities count all the same.
    both = filtered(tmp_path, query | {"direction": "LR"})
    assert settings_hash(both, WEIGHTS) == settings_hash(filtered(tmp_path, {"direction": "LR"}), WEIGHTS)
    assert settings_hash(both, WEIGHTS) != settings_hash(without_filter, WEIGHTS)


@pytest.mark.parametrize("entity", sorted({*ENTITIES} - {"session", "task"}))
def test_the_hash_depends_on_entities_that_select_among_the_runs_of_a_map(tmp_path, entity):
    assert settings_hash(filtered(tmp_path, {entity: "1"}), WEIGHTS) != settings_hash(settings(), WEIGHTS)


def test_a_filter_for_tasks_is_in_the_hash_if_tasks_are_combined(tmp_path):
    combined = {"task_id": ("rest1", "rest2"), "combine_tasks": True}
    one_task = filtered(tmp_path, {"session": "1", "task": "rest1"}, **combined)
    assert science_settings(one_task)["bids_filter_file"] == {"task": ["rest1"]}
    assert settings_hash(one_task, WEIGHTS) != settings_hash(settings(**combined), WEIGHTS)
    one_session = filtered(tmp_path, {"session": "1"}, **combined)
    assert settings_hash(one_session, WEIGHTS) == settings_hash(settings(**combined), WEIGHTS)
