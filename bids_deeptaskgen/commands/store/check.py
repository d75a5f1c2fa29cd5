"""``deeptaskgen store check``: check a cohort store."""

import sys

from bids_deeptaskgen.cohort_store.store.check import check_store
from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.settings.store import StoreCheckSettings, task_numbers


def run(settings: StoreCheckSettings) -> int:
    """Check a store, and print each problem.

    Parameters
    ----------
    settings : StoreCheckSettings

    Returns
    -------
    int
        1 if there is a problem, 0 otherwise.

    Raises
    ------
    UserError
        If the folder is not a cohort store.
    InputError
        If the description or the tables are damaged, so that no shard can be checked.
    """
    problems = check_store(settings.store, quick=settings.quick, task=task_numbers(settings.task))
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(f"{settings.store}: {quantity(len(problems), 'problem')}.\n")
    return 1 if problems else 0
