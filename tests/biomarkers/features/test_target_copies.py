"""Laws of tables that have the target as a column."""

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features.target_copies import refuse_target_copies
from bids_deeptaskgen.biomarkers.problem import TableFeatures
from bids_deeptaskgen.errors import InputError
from tests.biomarkers.random_problems import random_problem, random_table


def with_column(problem, column):
    """Add a column to a random table."""
    table = random_table(problem, 0)
    values = np.column_stack([table.values, column]).astype(np.float32)
    return TableFeatures("table", table.participants, (*table.columns, "added"), values)


@pytest.mark.parametrize("copy", [lambda y: y, lambda y: -12 * y + 100, lambda y: y.round(2)])
def test_a_copy_of_a_continuous_target_is_refused(copy):
    problem = random_problem(0)
    with pytest.raises(InputError, match=r"table: the column added determines the target y in 60 part"):
        refuse_target_copies(problem, with_column(problem, copy(problem.target.values)))


@pytest.mark.parametrize("n_levels", [2, 3])
@pytest.mark.parametrize(
    "copy", [lambda y: y == 0, lambda y: (2 - y) ** 2, lambda y: 2 * y + np.arange(60) % 2]
)
def test_codes_of_a_categorical_target_are_refused(n_levels, copy):
    problem = random_problem(0, n_levels=n_levels)
    with pytest.raises(InputError, match="the column added determines the target y"):
        refuse_target_copies(problem, with_column(problem, copy(problem.target.values)))


@pytest.mark.parametrize("n_levels", [0, 2, 3])
def test_related_constant_and_random_columns_are_no_copies(n_levels):
    problem, rng = random_problem(0, n_levels=n_levels), np.random.default_rng(0)
    y = problem.target.values
    for column in (y + 0.2 * y.std() * rng.normal(size=60), np.ones(60), rng.integers(2, size=60)):
        refuse_target_copies(problem, with_column(problem, column))


def test_all_copies_in_a_large_table_are_named():
    problem = random_problem(0)
    values = np.random.default_rng(0).normal(size=(60, 2000)).astype(np.float32)
    values[:, [3, 1999]] = problem.target.values[:, None]
    columns = tuple(f"x{number}" for number in range(2000))
    with pytest.raises(InputError, match="2 columns x3, x1999 determine"):
        refuse_target_copies(problem, TableFeatures("table", problem.participants, columns, values))
