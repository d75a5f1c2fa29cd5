"""``deeptaskgen simulate``: write a simulated fMRIPrep dataset with known networks."""

import logging
from typing import TYPE_CHECKING

from bids_deeptaskgen.bids.measured_maps import measured_folder
from bids_deeptaskgen.simulation.dataset import simulate_dataset

if TYPE_CHECKING:
    from bids_deeptaskgen.settings.simulation import SimulateSettings

LOG = logging.getLogger("bids_deeptaskgen")


def run(settings: "SimulateSettings") -> int:
    """Write a simulated dataset.

    Parameters
    ----------
    settings : SimulateSettings

    Returns
    -------
    int
        Exit code 0.
    """
    out = simulate_dataset(**vars(settings))
    LOG.info("Simulated resting-state runs of %d participants are in %s.", settings.n_participants, out)
    if settings.statmaps:
        LOG.info("Their task maps are in %s.", measured_folder(out))
    return 0
