"""Facts of a run for a participant's page: they differ between two runs on the same data."""

import time
from datetime import UTC, datetime
from typing import Any

from bids_deeptaskgen.machine import software_versions
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.records import Record


def describe_computation(context: RunContext, record: Record, device: str) -> dict[str, Any]:
    """Describe when, where and by which command the maps of a session were made.

    Parameters
    ----------
    context : RunContext
    record : Record
        Record of the session.
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
        "Seconds": dict(record.facts.get("seconds", {})),
        "Device": device,
        "Versions": software_versions(with_torch=context.bundle.card.architecture.is_network),
    }
