"""Strict reading of model cards."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.card import (
    OPTIONAL,
    Card,
    CardGrid,
    card_text,
    from_json,
    read_card,
)
from bids_deeptaskgen.models.contrasts import Contrast
from tests.bundles import tiny_card

NAMES = [field.name for field in fields(Card) if field.name not in OPTIONAL]
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CARDS = st.builds(
    tiny_card,
    architecture=st.builds(Architecture),
    contrasts=st.lists(
        st.builds(Contrast, st.text(), st.text(), st.text(), st.none() | NUMBERS), max_size=3
    ).map(tuple),
    grid=st.builds(CardGrid),
    window_minutes=st.none() | NUMBERS,
    parent=st.none() | st.text(),
    mean_roi_connectome=st.none() | st.lists(NUMBERS, max_size=3).map(tuple),
    calibration=st.none() | st.lists(NUMBERS, max_size=3).map(tuple),
    sha256=st.dictionaries(st.text(), st.text(), max_size=3),
    **{name: st.text() for name in ("name", "description", "notice", "citation")},
)


def as_json(card):
    return json.loads(card_text(card))


@given(card=CARDS)
def test_a_card_is_read_as_written(card):
    assert from_json(Card, as_json(card), "card.json") == card


@given(keys=st.sets(st.sampled_from(NAMES), min_size=1))
def test_missing_keys_are_named(keys):
    content = {key: value for key, value in as_json(tiny_card()).items() if key not in keys}
    with pytest.raises(UserError) as caught:
        from_json(Card, content, "card.json")
    assert all(repr(name) in str(caught.value) for name in keys)


def test_a_card_without_calibration_is_read_and_written_without_it():
    content = as_json(tiny_card())
    assert "calibration" not in content
    assert from_json(Card, content, "card.json").calibration is None


@given(key=st.text().filter(lambda key: key not in (*NAMES, *OPTIONAL)))
def test_unknown_keys_are_refused(key):
    with pytest.raises(UserError, match="unknown"):
        from_json(Card, as_json(tiny_card()) | {key: 1}, "card.json")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("name", 3, r"name is 3.* str"),
        ("for_science", "no", r"for_science is \"no\".* bool"),
        ("for_science", 0, r"for_science is 0.* bool"),
        ("window_minutes", "7", r"window_minutes is \"7\".* float"),
        ("window_minutes", True, r"window_minutes is true.* float"),
        ("architecture", "attentionunet", r"architecture is \"attentionunet\".* Architecture"),
        ("architecture", {"name": "attentionunet"}, r"architecture: missing 'batch_norm'"),
        ("contrasts", {}, r"contrasts is \{\}"),
        ("contrasts", [{"label": "a"}], r"contrasts\[0\]: missing"),
        ("mean_roi_connectome", [0.1, "x"], r"mean_roi_connectome\[1\] is \"x\""),
        ("sha256", {"a": 1}, r"sha256\.a is 1"),
        ("grid", None, r"grid is null"),
        ("parent", 1, r"parent is 1"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_key(key, value, words):
    with pytest.raises(UserError, match=words):
        from_json(Card, as_json(tiny_card()) | {key: value}, "card.json")


@pytest.mark.parametrize("shape", [[76, 93], [76, 93, 78, 1], [76, 93, 78.5]])
def test_a_shape_has_three_integers(shape):
    content = as_json(tiny_card())
    content["grid"]["shape"] = shape
    with pytest.raises(UserError, match="grid: shape"):
        from_json(Card, content, "card.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\ufffd{}"])
def test_a_file_that_is_not_a_card_is_refused(tmp_path, text):
    path = tmp_path / "card.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"card\.json"):
        read_card(path)


def test_a_card_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "card.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read as JSON"):
        read_card(tmp_path / "card.json")


def test_a_folder_without_a_card_is_not_a_bundle(tmp_path):
    with pytest.raises(UserError, match="not a model bundle"):
        read_card(tmp_path / "card.json")


def test_integers_are_valid_floats():
    content = as_json(tiny_card()) | {"window_minutes": 7}
    card = from_json(Card, content, "card.json")
    assert card.window_minutes == 7.0
    assert isinstance(card.window_minutes, float)
