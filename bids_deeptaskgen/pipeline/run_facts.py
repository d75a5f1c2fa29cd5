"""Facts of a run for a participant's page: they differ between two runs on the same data."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bids_deeptaskgen.machine import software_versions
from bids_deeptaskgen.pipeline.context import RunContext


def describe_computation(context: RunContext, seconds: Mapping[str, float], device: str) -> dict[str, Any]:
    """Describe when, where and by which command the maps of a session were made.

    Parameters
    ----------
    context : RunContext
    seconds : dict of str to float
        Duration of each step in s.
    device : str
        Device on which the network ran.

    Returns
    -------
    dict
        JSON values.
    """
    return {
        "CommandLine": context.command_line,
        "Finished": datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "Seconds": dict(seconds),
        "Device": device,
        "Versions": software_versions(),
    }
