"""``deeptaskgen models info``: describe a model."""

import sys

from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.describe import describe
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.settings.models import ModelsInfoSettings


def run(settings: ModelsInfoSettings) -> int:
    """Check the files of a model and print its description.

    Parameters
    ----------
    settings : ModelsInfoSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    UserError
        If the model bundle is incomplete or inconsistent.
    """
    sys.stdout.write(describe(load_bundle(find_model(settings.folder))))
    return 0
