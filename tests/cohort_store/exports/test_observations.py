"""Means over the runs and sessions of participants."""

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.exports.observations import Observation, make_observations
from bids_deeptaskgen.cohort_store.exports.roi_values import Row

NAN = np.nan
ROWS = [
    Row("sub-01", "ses-10", "run-1"),
    Row("sub-01", "ses-10", "run-2"),
    Row("sub-01", "ses-2", "run-1"),
    Row("sub-02", None, None),
]
VALUES = np.array([[1, 1, NAN], [3, NAN, NAN], [10, NAN, NAN], [5, 6, 7]], np.float32)


@pytest.mark.parametrize(
    ("sessions", "labels", "expected"),
    [
        # Each session has the same weight, whatever the number of its runs.
        ("mean", [("sub-01", ("ses-10", "ses-2")), ("sub-02", (None,))], [[6, 1, NAN], [5, 6, 7]]),
        ("first", [("sub-01", ("ses-2",)), ("sub-02", (None,))], [[10, NAN, NAN], [5, 6, 7]]),
        (
            "all",
            [("sub-01", ("ses-10",)), ("sub-01", ("ses-2",)), ("sub-02", (None,))],
            [[2, 1, NAN], [10, NAN, NAN], [5, 6, 7]],
        ),
    ],
)
def test_rows_are_means_over_runs_and_then_over_sessions(sessions, labels, expected):
    observations, values = make_observations(ROWS, VALUES, sessions)
    assert observations == [Observation(*label) for label in labels]
    np.testing.assert_array_equal(values, np.array(expected, np.float32))


def test_the_first_session_is_that_with_the_smallest_number_before_those_of_letters():
    rows = [Row("sub-1", f"ses-{label}", None) for label in ("post", "11", "02", "3")]
    observations, _ = make_observations(rows, np.ones((4, 1), np.float32), "first")
    assert observations[0].sessions == ("ses-02",)
