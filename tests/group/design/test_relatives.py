from dataclasses import replace

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.plan import plan_design
from tests.group.designs import observations, request


def with_families(n_participants=40, **columns):
    """Return pairs of relatives among the first ten participants; others have no family or their own."""
    rows = observations(n_participants, **columns)
    names = [
        f"f{number // 2}" if number < 10 else ("n/a", "")[number % 2] for number in range(n_participants)
    ]
    return [replace(row, family=name) for row, name in zip(rows, names, strict=True)]


def test_relatives_are_noted():
    plan = plan_design(with_families(), request("age"))
    assert any("10 participants of 5 families are related" in note for note in plan.notes)
    assert len(plan.participants) == 40


def test_permutations_of_relatives_are_refused_with_the_way_out():
    with pytest.raises(UserError, match="10 participants have relatives.*Set `one_per_family`"):
        plan_design(with_families(), request("age", n_permutations=100))


def test_one_of_each_family_stays_and_the_seed_decides():
    def drawn(seed):
        plan = plan_design(
            with_families(), request("age", one_per_family=True, n_permutations=100, random_seed=seed)
        )
        assert len(plan.participants) == 35
        assert set(plan.excluded) | set(plan.participants) == {f"{number:02d}" for number in range(40)}
        assert all("relative of sub-" in reason for reason in plan.excluded.values())
        return plan.participants

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(5)}) > 1


def test_a_relative_without_a_value_does_not_stand_for_the_family():
    rows = with_families(age=["n/a", *map(str, range(39))])
    for seed in range(5):
        plan = plan_design(rows, request("age", one_per_family=True, random_seed=seed))
        assert "01" in plan.participants
        assert plan.excluded["00"] == "no value of age"
