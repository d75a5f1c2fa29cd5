"""Folds: random, one site each, and stored. Families are never divided."""

import re

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.problem import Problem, Target
from bids_deeptaskgen.biomarkers.splits import (
    check_folds,
    number_families,
    random_folds,
    read_folds,
    site_folds,
    write_folds,
)
from bids_deeptaskgen.errors import InputError

N = 60
LABELS = tuple(f"{number:03d}" for number in range(1, N + 1))
UNRELATED = tuple(f"sub-{label}" for label in LABELS)
# 10 families of three, 5 of two, and 20 unrelated participants, mixed.
RELATED = tuple(
    np.random.default_rng(1).permutation(
        [f"family {n // 3}" for n in range(30)]
        + [f"family {10 + n // 2}" for n in range(10)]
        + list(UNRELATED[:20])
    )
)


def continuous(seed=0, n=N):
    return Target("age", "continuous", np.random.default_rng(seed).standard_normal(n))


def categorical(counts=(30, 20, 10)):
    values = np.repeat(np.arange(len(counts), dtype=float), counts)
    return Target(
        "dx", "categorical", np.random.default_rng(0).permutation(values), ("a", "b", "c")[: len(counts)]
    )


def divided_families(folds):
    return [
        (repeat, family)
        for repeat in range(folds.n_repeats)
        for family in np.unique(folds.families)
        if len(set(folds.numbers[repeat, folds.families == family])) > 1
    ]


@pytest.mark.parametrize("target", [continuous(), categorical((24, 20, 16))])
@pytest.mark.parametrize("n_folds", [2, 5, 10])
def test_random_folds_keep_families_and_have_similar_sizes(target, n_folds):
    folds = random_folds(target, RELATED, n_folds=n_folds, n_repeats=3, seed=0)
    assert folds.numbers.shape == (3, N)
    assert folds.n_folds == n_folds
    assert divided_families(folds) == []
    for numbers in folds.numbers:
        sizes = np.bincount(numbers, minlength=n_folds)
        assert sizes.max() - sizes.min() <= 4
    assert len({tuple(numbers) for numbers in folds.numbers}) == 3


@pytest.mark.parametrize("families", [UNRELATED, RELATED])
def test_categories_are_spread_over_the_folds(families):
    target = categorical()
    folds = random_folds(target, families, n_folds=5, n_repeats=2, seed=0)
    for numbers in folds.numbers:
        counts = np.array([np.bincount(numbers[target.values == code], minlength=5) for code in range(3)])
        assert (np.abs(counts - [[6], [4], [2]]) <= 2).all()
    assert folds.method == "stratified by dx"


def test_bins_of_a_continuous_target_are_spread_over_the_folds():
    target = continuous()
    folds = random_folds(target, UNRELATED, n_folds=5, n_repeats=1, seed=0)
    rank = np.argsort(np.argsort(target.values)) * 5 // N
    counts = np.array([np.bincount(folds.numbers[0, rank == part], minlength=5) for part in range(5)])
    assert counts.min() >= 2
    assert counts.max() <= 3
    assert folds.method == "stratified by age in 5 bins"


@pytest.mark.parametrize(
    ("n", "n_folds", "method"), [(20, 10, "age in 2 bins"), (20, 20, "random"), (24, 8, "3 bins")]
)
def test_small_samples_have_fewer_bins(n, n_folds, method):
    folds = random_folds(continuous(n=n), UNRELATED[:n], n_folds=n_folds, n_repeats=1, seed=0)
    assert method in folds.method
    assert set(folds.numbers[0]) == set(range(n_folds))


def test_a_target_with_many_equal_values_is_divided():
    values = np.zeros(N)
    values[:4] = [1, 2, 3, 4]
    folds = random_folds(Target("score", "continuous", values), UNRELATED, n_folds=5, n_repeats=1, seed=0)
    assert np.bincount(folds.numbers[0]).tolist() == [12] * 5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("families", [UNRELATED, RELATED])
@pytest.mark.parametrize(
    "values", [[-1] * 3 + [0] * 57, [0] * 46 + [1, 2] * 7, [0] * 58 + [1, 2], [5] * 57 + [1, 2, 9]]
)
def test_bins_of_tied_values_reach_every_fold(values, families):
    target = Target("score", "continuous", np.array(values, float))
    folds = random_folds(target, families, n_folds=5, n_repeats=1, seed=0)
    assert len(set(folds.numbers[0])) == 5


def test_equal_seeds_give_equal_folds_and_other_seeds_other_folds():
    first, second, third = (
        random_folds(continuous(), RELATED, n_folds=5, n_repeats=2, seed=seed).numbers for seed in (0, 0, 9)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_the_largest_seed_has_several_repeats():
    folds = random_folds(continuous(), UNRELATED, n_folds=5, n_repeats=3, seed=2**32 - 1)
    assert folds.n_repeats == 3


def test_fewer_families_than_folds_are_refused_with_the_largest():
    families = ["family 0"] * 50 + ["family 1"] * 8 + list(UNRELATED[:2])
    with pytest.raises(
        InputError, match="4 families for 5 folds of the target age; the largest, family 0, has 50"
    ):
        random_folds(continuous(), families, n_folds=5, n_repeats=1, seed=0)


def test_a_large_family_is_whole():
    families = ["family 0"] * 30 + list(UNRELATED[:30])
    folds = random_folds(continuous(), families, n_folds=5, n_repeats=1, seed=0)
    assert divided_families(folds) == []


def test_folds_of_one_participant_are_refused():
    folds = random_folds(continuous(), UNRELATED, n_folds=50, n_repeats=1, seed=0)
    with pytest.raises(
        InputError, match=r"has 1 participant of the target age, and at least 2.*\nReduce `n_folds`"
    ):
        check_folds(folds, continuous(), "Reduce `n_folds`.")


def test_each_site_is_a_fold():
    sites = ["B", "A", "C"] * 20
    folds = site_folds(sites, UNRELATED, LABELS, column="site", seed=3)
    assert folds.numbers.tolist() == [[1, 0, 2] * 20]
    assert folds.method == "one fold per site: A, B, C"
    assert folds.seed == 3


@pytest.mark.parametrize(
    ("sites", "families", "message"),
    [
        (["A"] * N, UNRELATED, "The column site has one site, A, in all 60 participants"),
        (["A"] * 56 + ["B"] * 4, UNRELATED, r"fewer than 5 participants: B \(4\).*\n.*merge sites"),
        (
            ["A"] * 30 + ["B"] * 30,
            ["family x" if n in (0, 59) else name for n, name in enumerate(UNRELATED)],
            r"The sites of the column site divide families: family x with sub-001 \(A\), sub-060 \(B\)",
        ),
    ],
)
def test_unusable_sites_are_refused(sites, families, message):
    with pytest.raises(InputError, match=message):
        site_folds(sites, families, LABELS, column="site", seed=0)


def test_a_category_that_training_participants_lack_is_refused():
    target = Target("dx", "categorical", np.repeat([0.0, 1.0], 30), ("HC", "MDD"))
    folds = site_folds(["A"] * 20 + ["B"] * 10 + ["C"] * 30, UNRELATED, LABELS, column="site", seed=0)
    message = (
        r"The category HC of the target dx occurs in 2 folds of repeat 1 \(one fold per site.*\nMerge sites"
    )
    with pytest.raises(InputError, match=message):
        check_folds(folds, target, "Merge sites.")


def test_training_participants_of_one_family_are_refused():
    folds = site_folds(["A", "B"] * 30, ["family x", "family y"] * 30, LABELS, column="site", seed=0)
    with pytest.raises(
        InputError, match=r"training participants of fold 1 of repeat 1 .* belong to one family"
    ):
        check_folds(folds, continuous(), "Merge families.")


@pytest.mark.parametrize("seed", range(30))
def test_folds_of_any_families_are_whole_and_not_empty(seed):
    rng = np.random.default_rng(seed)
    families = [f"family {number}" for number in rng.zipf(1.7, N)]
    n_folds = int(rng.integers(2, len(set(families)) + 1))
    target = Target("score", "continuous", rng.poisson(1, N).astype(float))
    folds = random_folds(target, families, n_folds=n_folds, n_repeats=2, seed=seed)
    assert divided_families(folds) == []
    assert all(set(numbers) == set(range(n_folds)) for numbers in folds.numbers)


def test_categories_in_all_folds_pass():
    target = categorical()
    check_folds(random_folds(target, RELATED, n_folds=5, n_repeats=2, seed=0), target, "")
    check_folds(random_folds(target, RELATED, n_folds=2, n_repeats=2, seed=0), target, "")


def problem_with(folds, target=None):
    return Problem(target or continuous(), LABELS, folds.families, np.ones((N, 1)), (), folds)


@pytest.mark.parametrize("n_folds", [2, 5, 12])
def test_written_folds_are_read_as_the_same_folds(tmp_path, n_folds):
    folds = random_folds(continuous(), RELATED, n_folds=n_folds, n_repeats=3, seed=0)
    path = tmp_path / "age_folds.tsv"
    write_folds(path, problem_with(folds))
    stored = read_folds(path, LABELS, RELATED, seed=7)
    np.testing.assert_array_equal(stored.numbers, folds.numbers)
    np.testing.assert_array_equal(stored.families, folds.families)
    assert (stored.method, stored.seed) == ("stored in age_folds.tsv", 7)


def write(path, folds, ids=LABELS, column="fold"):
    path.write_text(
        f"participant_id\t{column}\n" + "".join(f"{a}\t{b}\n" for a, b in zip(ids, folds, strict=True))
    )
    return path


@pytest.mark.parametrize("column", ["fold", "Fold", "split", "repeat1", "repeat_1", "Repeat-1"])
@pytest.mark.parametrize(
    "numbers", [("1", "2", "3"), ("0", "1", "2"), ("1.0", "2.0", "3.0"), ("-5", "10", "20")]
)
def test_folds_have_any_whole_numbers_and_ids_any_spelling(tmp_path, column, numbers):
    ids = [f"sub-{int(label)}" for label in LABELS]
    folds = read_folds(write(tmp_path / "f.tsv", numbers * 20, ids, column), LABELS, UNRELATED)
    assert folds.numbers.tolist() == [[0, 1, 2] * 20]


def test_repeats_are_read_in_the_order_of_their_numbers(tmp_path):
    path = tmp_path / "f.tsv"
    names = ["repeat10", "repeat2", "age"]
    rows = [[label, n % 2 + 1, n // 30 + 1, 40] for n, label in enumerate(LABELS)]
    path.write_text("\n".join("\t".join(map(str, row)) for row in [["participant_id", *names], *rows]) + "\n")
    folds = read_folds(path, LABELS, UNRELATED)
    assert folds.numbers.tolist() == [[0] * 30 + [1] * 30, [0, 1] * 30]


def test_participants_that_are_not_analysed_are_ignored_with_a_count(tmp_path, caplog):
    caplog.set_level("INFO", "bids_deeptaskgen")
    path = write(tmp_path / "f.tsv", ["1", "2", "3"] * 20)
    folds = read_folds(path, LABELS[:30], UNRELATED[:30])
    assert folds.numbers.shape == (1, 30)
    assert "30 participants are not analysed, and are ignored" in caplog.text


@pytest.mark.parametrize(
    ("folds", "ids", "message"),
    [
        (["1", "2"] * 29, LABELS[:58], "2 of the 60 participants have no row: sub-059, sub-060"),
        (["n/a", "2"] + ["1", "2"] * 29, LABELS, "sub-001 has no fold in the column fold"),
        (
            ["1.5", "2"] + ["1", "2"] * 29,
            LABELS,
            "the fold of sub-001 in the column fold is '1.5', not a whole number",
        ),
        (["test", "2"] + ["1", "2"] * 29, LABELS, "is 'test', not a whole number"),
        (["1"] * N, LABELS, "the column fold has one fold"),
        (
            ["1", "2"] * 30 + ["2"],
            (*LABELS, "001"),
            r"sub-001 is in several folds of the column fold \(1, 2\)",
        ),
    ],
)
def test_unusable_stored_folds_are_refused(tmp_path, folds, ids, message):
    path = write(tmp_path / "folds.tsv", folds, ids)
    with pytest.raises(InputError, match=f"folds.tsv: .*{message}"):
        read_folds(path, LABELS, UNRELATED)


def test_a_table_without_a_column_of_folds_is_refused(tmp_path):
    path = write(tmp_path / "folds.tsv", ["1", "2"] * 30, column="group")
    with pytest.raises(InputError, match=r"has no column of folds \(columns: group\)"):
        read_folds(path, LABELS, UNRELATED)


def test_repeats_of_different_numbers_of_folds_are_refused(tmp_path):
    path = tmp_path / "folds.tsv"
    rows = [f"{label}\t{n % 2}\t{n % 3}" for n, label in enumerate(LABELS)]
    path.write_text("\n".join(["participant_id\trepeat1\trepeat2", *rows]) + "\n")
    with pytest.raises(InputError, match="different numbers of folds: repeat1 2 folds, repeat2 3 folds"):
        read_folds(path, LABELS, UNRELATED)


def test_stored_folds_that_divide_a_family_are_refused_with_its_members(tmp_path):
    families = ["family smith" if n in (3, 4) else name for n, name in enumerate(UNRELATED)]
    families = ["family jones" if n in (10, 13) else name for n, name in enumerate(families)]
    path = write(tmp_path / "folds.tsv", ["1", "2"] * 30)
    message = (
        f"{path}: the column fold divides families between folds: family jones with sub-011 (fold 1), "
        "sub-014 (fold 2) and 1 other family.\nWrite the same fold for all members of a family."
    )
    with pytest.raises(InputError, match=re.escape(message)):
        read_folds(path, LABELS, families)


def test_families_are_numbered_by_name():
    assert number_families(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]


def test_divisions_of_another_seed_are_others():
    rows = [
        row.tobytes()
        for seed in (0, 1)
        for row in random_folds(continuous(), UNRELATED, n_folds=5, n_repeats=3, seed=seed).numbers
    ]
    assert len(set(rows)) == 6


def test_equal_divisions_are_used_once_with_a_warning(caplog):
    # Ten large families of different sizes: the balanced division is always the same.
    families = tuple(f"family {n}" for n in range(10) for _ in range(4 + n))
    target = Target("age", "continuous", np.repeat(np.arange(10.0), np.arange(4, 14)))
    folds = random_folds(target, families, n_folds=5, n_repeats=5, seed=0)
    assert folds.n_repeats < 5
    assert f"5 repeats have {folds.n_repeats} different division" in caplog.text
