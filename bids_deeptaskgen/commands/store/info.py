"""``deeptaskgen store info``: describe a cohort store."""

import sys

from bids_deeptaskgen.cohort_store.store.summary import summarise
from bids_deeptaskgen.settings.store import StoreInfoSettings


def run(settings: StoreInfoSettings) -> int:
    """Print the description of a store.

    Parameters
    ----------
    settings : StoreInfoSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    UserError
        If the folder is not a cohort store.
    InputError
        If the description or the tables are damaged.
    """
    sys.stdout.write(summarise(settings.store))
    return 0
