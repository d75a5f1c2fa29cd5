import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.models.training_sets import collect_training_sets
from tests.biomarkers.random_problems import random_problem


@pytest.mark.parametrize(("n_folds", "n_sets"), [(2, 12), (3, 6), (5, 15)])
def test_each_set_of_training_participants_occurs_once(n_folds, n_sets):
    problem = random_problem(0, n_folds=n_folds, n_repeats=1)
    sets = collect_training_sets(list(problem.folds))
    assert len(sets) == n_sets
    assert len({training_set.train.tobytes() for training_set in sets}) == n_sets


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_all_participants_of_all_folds_are_predicted_by_models_of_the_others(n_folds):
    folds = list(random_problem(0, n_folds=n_folds).folds)
    rows = {(number, is_test): [] for number in range(len(folds)) for is_test in (False, True)}
    for training_set in collect_training_sets(folds):
        for held_out in training_set.held_out:
            assert not np.intersect1d(training_set.train, held_out.rows).size
            assert np.isin(held_out.rows, training_set.rows).all()
            excluded = np.setdiff1d(np.r_[training_set.train, held_out.rows], folds[held_out.fold].train)
            assert held_out.is_test or not excluded.size
            rows[held_out.fold, held_out.is_test].extend(held_out.rows)
    for number, fold in enumerate(folds):
        np.testing.assert_array_equal(np.sort(rows[number, True]), fold.test)
        np.testing.assert_array_equal(np.sort(rows[number, False]), fold.train)
