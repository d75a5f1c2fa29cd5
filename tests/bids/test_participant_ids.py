"""Participants are joined by equal labels, then by equal numbers, and never by a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.bids.participant_ids import align_labels, match_labels, warn_unmatched
from bids_deeptaskgen.errors import InputError


@pytest.mark.parametrize(
    ("labels", "candidates", "matches"),
    [
        (["01", "02"], ["02", "01"], {"01": "01", "02": "02"}),
        (["001", "002"], ["1", "2", "3"], {"001": "1", "002": "2"}),
        (["1", "2"], ["001", "2"], {"1": "001", "2": "2"}),
        # An equal label is certain, whatever else is the same number.
        (["1", "01"], ["1"], {"1": "1"}),
        (["01"], ["1", "01"], {"01": "01"}),
        # Whole numbers of a column with missing values.
        (["001", "12"], ["1.0", "12.0"], {"001": "1.0", "12": "12.0"}),
        (["A1", "a2"], ["A01", "A2"], {}),
        (["1", "10"], ["11", "1.5"], {}),
        ([], ["1"], {}),
    ],
)
def test_labels_match_exactly_then_as_numbers(labels, candidates, matches):
    assert match_labels(labels, candidates, "participants.tsv") == matches


@pytest.mark.parametrize(
    ("labels", "candidates", "message"),
    [
        (["001"], ["1", "01"], "participants.tsv: sub-001 may be 1 or 01, which are equal numbers"),
        (["1", "01"], ["001"], "participants.tsv: 001 may be sub-1 or sub-01, which are equal numbers"),
        (["1", "01"], ["001", "0001"], "may be"),
    ],
)
def test_an_ambiguous_number_is_refused(labels, candidates, message):
    with pytest.raises(InputError, match=message):
        match_labels(labels, candidates, "participants.tsv")


NUMBERS = st.lists(st.integers(0, 300), unique=True, min_size=1)


@given(NUMBERS, NUMBERS, st.integers(1, 5), st.integers(1, 5))
def test_padding_never_changes_who_is_matched(numbers, others, width, other_width):
    labels = [str(number).zfill(width) for number in numbers]
    candidates = [str(number).zfill(other_width) for number in others]
    matches = match_labels(labels, candidates, "table")
    assert {int(label) for label in matches} == set(numbers) & set(others)
    assert all(int(label) == int(candidate) for label, candidate in matches.items())


def test_aligned_labels_are_logged_where_they_differ(caplog):
    caplog.set_level("INFO", "bids_deeptaskgen")
    assert align_labels(["1", "02", "x"], ["001", "02"], "maps.tsv") == {"1": "001", "02": "02", "x": "x"}
    assert "maps.tsv: 1 participants are matched as equal numbers: 1 = sub-001." in caplog.text


def test_participants_without_a_row_are_named_and_a_table_of_others_is_refused(caplog):
    warn_unmatched(["1"], ["1", "2", "3"], "participants.tsv", "they are treated as unrelated")
    assert "has no row of 2 of 3 participants; they are treated as unrelated: sub-2, sub-3." in caplog.text
    with pytest.raises(InputError, match=r"has no row of any of the 2 participants \(sub-2, sub-3\)"):
        warn_unmatched([], ["2", "3"], "participants.tsv", "they are treated as unrelated")
    warn_unmatched([], ["2"], "participants.tsv", "they lack an age", may_be_all=True)
    assert "they lack an age: sub-2" in caplog.text
