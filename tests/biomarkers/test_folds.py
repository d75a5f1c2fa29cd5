import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.problem import Folds
from tests.biomarkers.random_problems import random_problem


def assert_families_are_whole(families, *parts):
    labels = [set(families[part]) for part in parts]
    assert sum(map(len, labels)) == len(set().union(*labels))


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_folds_divide_participants_and_inner_folds_divide_training_participants(n_folds):
    problem = random_problem(0, n_folds=n_folds)
    folds = list(problem.folds)
    assert len(folds) == 2 * n_folds
    for fold in folds:
        np.testing.assert_array_equal(np.sort(np.r_[fold.train, fold.test]), np.arange(60))
        np.testing.assert_array_equal(np.sort(np.concatenate(fold.inner)), fold.train)
        assert_families_are_whole(problem.families, fold.test, *fold.inner)
        assert len(fold.inner) == (5 if n_folds == 2 else n_folds - 1)


def test_inner_folds_are_the_remaining_folds():
    problem = random_problem(0, n_folds=4)
    folds = [fold for fold in problem.folds if fold.repeat == 1]
    tests = [fold.test.tolist() for fold in folds]
    for fold in folds:
        assert [rows.tolist() for rows in fold.inner] == tests[: fold.number] + tests[fold.number + 1 :]


def test_random_inner_folds_depend_on_the_seed_only():
    numbers, families = np.arange(30)[None] % 2, np.arange(30)
    inner = [
        [rows.tolist() for rows in next(iter(Folds(numbers, families, seed=s))).inner] for s in (0, 0, 1)
    ]
    assert inner[0] == inner[1]
    assert inner[0] != inner[2]


def test_numbers_without_participants_are_skipped():
    folds = Folds(np.array([[0, 2, 0, 2, 3, 3]]), np.arange(6))
    assert [fold.number for fold in folds] == [0, 2, 3]


def test_smaller_samples_have_whole_families_and_the_same_test_participants():
    problem = random_problem(1)
    samples = {n: list(problem.folds.reduce(n, np.random.default_rng(3))) for n in (10, 25, 40, 60)}
    complete = [fold for fold in problem.folds if fold.repeat == 0]
    for number, fold in enumerate(complete):
        for n_train, folds in samples.items():
            small = folds[number]
            # Families have 1 to 3 members, so that there is always one that fits.
            assert len(small.train) == min(n_train, len(fold.train))
            np.testing.assert_array_equal(small.test, fold.test)
            np.testing.assert_array_equal(np.sort(np.concatenate(small.inner)), small.train)
            assert_families_are_whole(problem.families, small.test, *small.inner)
            left_out = np.setdiff1d(fold.train, small.train)
            assert_families_are_whole(problem.families, small.train, left_out)
        np.testing.assert_array_equal(samples[60][number].train, fold.train)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_smaller_samples_are_parts_of_larger_ones_if_families_have_one_size(size):
    families = np.arange(80) // size
    folds = Folds(families[None] % 4, families)
    samples = [list(folds.reduce(n, np.random.default_rng(3))) for n in (10, 25, 40, 60)]
    for trains in zip(*([set(fold.train) for fold in sample] for sample in samples), strict=True):
        assert trains[0] < trains[1] < trains[2] < trains[3]


def test_samples_of_folds_differ():
    problem = random_problem(1)
    folds = list(problem.folds.reduce(15, np.random.default_rng(3)))
    assert set(folds[0].train) != set(folds[1].train)


def test_a_sample_of_a_single_family_is_refused():
    folds = Folds(np.array([[0, 1, 2, 0, 1, 2]]), np.arange(6)).reduce(1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="cannot be divided into inner folds"):
        list(folds)
