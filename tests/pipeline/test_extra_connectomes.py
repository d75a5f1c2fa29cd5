"""Connectomes that wait for prediction are used if they include the extra ones of this run."""

import pytest

from bids_deeptaskgen.pipeline.extra_connectomes import ExtraRequest

PAIR = {"runs": [{}, {}], "n_connectomes": 1}
POOLED = {**PAIR, "extra": {"runs": 2}, "n_bootstrap": 0, "random_seed": 0}
RESAMPLED = {**PAIR, "extra": {"runs": 2, "bootstrap": 20}, "n_bootstrap": 20, "random_seed": 1}
WINDOWS = {"runs": [{}, {}], "n_connectomes": 6, "extra": {}, "n_bootstrap": 0, "random_seed": 0}
SINGLE = {"runs": [{}], "n_connectomes": 1, "extra": {}, "n_bootstrap": 0, "random_seed": 0}


@pytest.mark.parametrize(
    ("facts", "request_values", "is_met"),
    [
        (POOLED, (True, 0, 0), True),
        (POOLED, (False, 0, 0), True),
        (PAIR, (True, 0, 0), False),
        (PAIR, (False, 0, 0), True),
        (POOLED, (True, 20, 1), False),
        (RESAMPLED, (True, 20, 1), True),
        (RESAMPLED, (True, 20, 2), False),
        (RESAMPLED, (True, 30, 1), False),
        (WINDOWS, (True, 0, 0), True),
        (SINGLE, (True, 0, 0), True),
    ],
)
def test_waiting_connectomes_must_include_those_of_the_request(facts, request_values, is_met):
    assert ExtraRequest(*request_values).is_met_by(facts) == is_met
