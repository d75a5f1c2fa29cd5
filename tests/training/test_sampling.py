"""Random numbers of training follow from seed, epoch and participant only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.training.sampling import (
    SPLITS,
    connected_groups,
    epoch_order,
    split_participants,
    window_of,
)

PARTICIPANTS = [f"sub-{number:03d}" for number in range(300)]


def test_windows_are_uniform_and_differ_between_epochs_seeds_and_participants():
    drawn = np.array(
        [[window_of(0, epoch, participant, 8) for epoch in range(40)] for participant in PARTICIPANTS]
    )
    counts = np.bincount(drawn.ravel(), minlength=8)
    assert len(counts) == 8
    # 12,000 draws: 1,500 each, with a standard deviation of 36.
    assert np.abs(counts - 1500).max() < 5 * 36
    same = np.mean(drawn[:, 1:] == drawn[:, :-1])
    assert abs(same - 1 / 8) < 0.02
    assert window_of(0, 1, "sub-01", 8) == window_of(0, 1, "sub-01", 8)
    assert [window_of(seed, 0, "sub-01", 1000) for seed in range(3)] != [window_of(0, 0, "sub-01", 1000)] * 3
    assert {window_of(0, epoch, "sub-01", 1) for epoch in range(9)} == {0}


def test_random_numbers_are_stable_across_versions():
    # Written down once: a stored seed must mean the same tomorrow.
    assert [window_of(7, epoch, "sub-01 ses-1", 8) for epoch in range(6)] == [6, 4, 3, 6, 4, 4]
    assert epoch_order(7, 0, ["a", "b", "c", "d", "e"]) == [3, 1, 2, 0, 4]


@given(st.permutations(PARTICIPANTS[:6]), st.integers(0, 5), st.integers(0, 5))
def test_the_order_of_an_epoch_does_not_depend_on_the_order_of_the_list(participants, seed, epoch):
    named = [participants[one] for one in epoch_order(seed, epoch, participants)]
    assert named == [PARTICIPANTS[one] for one in epoch_order(seed, epoch, PARTICIPANTS[:6])]


def test_processes_share_an_epoch_without_overlap_and_orders_differ_between_epochs():
    order = epoch_order(0, 0, PARTICIPANTS)
    shards = [order[rank::4] for rank in range(4)]
    assert sorted(sum(shards, [])) == list(range(300))
    assert order != epoch_order(0, 1, PARTICIPANTS) != epoch_order(1, 1, PARTICIPANTS)


group_labels = st.dictionaries(
    st.sampled_from(PARTICIPANTS), st.sets(st.sampled_from("abcdefghij"), max_size=2), min_size=1
)


@given(group_labels, st.integers(0, 100))
def test_groups_are_never_divided_and_every_participant_has_a_split(ties, seed):
    groups = connected_groups(ties)
    assert sorted(sum(groups, [])) == sorted(ties)
    if len(groups) < 3:
        with pytest.raises(UserError, match="groups that must not be divided"):
            split_participants(ties, seed=seed)
        return
    split = split_participants(ties, seed=seed)
    assert set(split) == set(ties)
    assert set(split.values()) == set(SPLITS)
    for participant, own in ties.items():
        for other, others in ties.items():
            if own & others:
                assert split[participant] == split[other]
    assert split_participants(dict(reversed(ties.items())), seed=seed) == split


def test_groups_are_connected_through_other_participants():
    ties = {"a": {"family 1"}, "b": {"family 1", "site x"}, "c": {"site x"}, "d": set(), "e": {"site y"}}
    assert connected_groups(ties) == [["a", "b", "c"], ["d"], ["e"]]


@pytest.mark.parametrize(
    ("n", "shares", "wanted"),
    [
        (300, (0.8, 0.1, 0.1), (240, 30, 30)),
        (4, (0.8, 0.1, 0.1), (2, 1, 1)),
        (10, (0.9, 0.1, 0.0), (9, 1, 0)),
        (10, (0.2, 0.2, 0.6), (2, 2, 6)),
        (7, (0.5, 0.5, 0.0), (3, 4, 0)),
        (5, (1.0, 0.0, 0.0), (5, 0, 0)),
    ],
)
def test_shares_are_met_and_a_share_of_zero_is_empty(n, shares, wanted):
    split = list(split_participants(dict.fromkeys(PARTICIPANTS[:n], ()), shares).values())
    assert tuple(map(split.count, SPLITS)) == wanted


def test_families_do_not_push_a_split_over_its_share():
    ties = {participant: {f"family {number // 3}"} for number, participant in enumerate(PARTICIPANTS[:100])}
    split = list(split_participants(ties).values())
    assert 8 <= split.count("validation") <= 10
    assert 8 <= split.count("test") <= 10


def test_sites_larger_than_a_share_are_not_divided():
    ties = {participant: {f"site {number % 4}"} for number, participant in enumerate(PARTICIPANTS[:100])}
    split = list(split_participants(ties).values())
    assert tuple(map(split.count, SPLITS)) == (50, 25, 25)


def test_groups_are_kept_for_the_remaining_splits():
    for seed in range(20):
        ties = dict.fromkeys(PARTICIPANTS[:50], {"site 1"}) | {"x": set(), "y": set()}
        split = split_participants(ties, seed=seed)
        assert [split[one] for one in (PARTICIPANTS[0], "x", "y")].count("train") == 1
        assert split[PARTICIPANTS[0]] == "train"


def test_another_seed_gives_another_split():
    ties = dict.fromkeys(PARTICIPANTS, ())
    assert (
        split_participants(ties, seed=0)
        == split_participants(ties, seed=0)
        != split_participants(ties, seed=1)
    )


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (1.1, -0.1, 0.0), (0.0, 0.0, 0.0)])
def test_invalid_shares_are_refused(shares):
    with pytest.raises(UserError, match="sum to 1"):
        split_participants(dict.fromkeys(PARTICIPANTS, ()), shares)
