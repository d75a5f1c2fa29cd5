"""Laws of the means over sessions and runs."""

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features.row_groups import (
    RowLabels,
    average_participants,
    average_sessions,
    group_rows,
    parse_labels,
    select_rows,
)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (("sub-01", "ses-1", "run-2"), ("01", "1", "2")),
        (("01", "1", "2"), ("01", "1", "2")),
        ((" Sub-01", "", "n/a"), ("01", None, None)),
        (("01", None, " "), ("01", None, None)),
    ],
)
def test_labels_are_compared_without_prefixes(cells, labels):
    assert parse_labels(*cells) == labels


def test_every_row_belongs_to_one_participant_and_session():
    rng = np.random.default_rng(0)
    rows = [RowLabels(str(rng.integers(5)), str(rng.integers(3)), str(run)) for run in range(40)]
    groups = group_rows(rows)
    numbers = [row for sessions in groups.sessions.values() for session in sessions for row in session]
    assert sorted(numbers) == list(range(40))
    for label, sessions in groups.sessions.items():
        for session in sessions:
            assert len({rows[row][:2] for row in session}) == 1
            assert rows[session[0]].participant == label


def test_a_session_is_found_in_any_spelling_and_other_participants_have_a_reason():
    rows = [RowLabels("a", "01"), RowLabels("a", "2"), RowLabels("b", "2"), RowLabels("c")]
    groups = group_rows(rows, "1")
    assert groups.sessions == {"a": ((0,),)}
    assert groups.reasons == {"b": "no session 1", "c": "no session 1"}
    assert groups.restrict(["c"]).participants == ("c",)


def test_rows_without_sessions_are_used_for_any_session():
    groups = group_rows([RowLabels("a"), RowLabels("b")], "1")
    assert groups.sessions == {"a": ((0,),), "b": ((1,),)}
    assert "has no sessions" in groups.notes("1")[0]
    assert not groups.notes(None)


def test_one_participant_with_sessions_has_them():
    groups = group_rows([RowLabels("a", "1"), RowLabels("a", "2"), RowLabels("b", "1")])
    assert groups.notes(None)[0].startswith("1 participant of 2 has several sessions or runs")


def test_sessions_weigh_the_same_whatever_their_number_of_runs():
    values = np.array([[1.0], [2.0], [3.0], [10.0]])
    assert average_sessions(values, ((0, 1, 2), (3,))) == [6.0]
    assert average_sessions(values, ((0, 1), (2, 3))) == [4.0]
    assert average_sessions(values, ((0, 1, 2, 3),)) == [4.0]


def test_the_order_of_sessions_and_runs_does_not_matter():
    values = np.random.default_rng(0).normal(size=(5, 3))
    values[1, 1] = np.nan
    expected = average_sessions(values, ((0, 1), (2, 3, 4)))
    order = [4, 2, 3, 1, 0]
    np.testing.assert_allclose(average_sessions(values[order], ((0, 1, 2), (3, 4))), expected)


def test_a_column_without_any_value_stays_missing():
    values = np.array([[np.nan, 1.0], [np.nan, np.nan]], np.float32)
    mean = average_sessions(values, ((0,), (1,)))
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, [np.nan, 1.0])


def test_participants_are_averaged_one_by_one():
    values = np.arange(12.0).reshape(6, 2)
    groups = [((0,),), ((1, 2), (3,)), ((4,), (5,))]
    expected = [
        average_sessions(values[:1], groups[0]),
        average_sessions(values[1:4], groups[1]),
        [9.0, 10.0],
    ]
    np.testing.assert_allclose(average_participants(values, groups), expected)
    assert average_participants(values, [((row,),) for row in range(6)]) is values


def test_unusable_rows_and_empty_sessions_are_removed():
    is_usable = np.array([True, False, False, True])
    assert select_rows(((0, 1), (2,), (3,)), is_usable) == ((0,), (3,))
    assert select_rows(((1,), (2,)), is_usable) == ()
