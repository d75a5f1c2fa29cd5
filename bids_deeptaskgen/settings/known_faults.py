"""Settings of ``deeptaskgen known-faults``."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option


@dataclass(frozen=True)
class KnownFaultsSettings(Settings):
    """List known faults of upstream releases: all, or those of the releases that wrote a dataset."""

    dataset: Path | None = option(
        None,
        positional=True,
        default_meaning="all known faults",
        help="derivatives, a raw dataset with derivatives, or an output dataset of bids-deeptaskgen",
    )
    json: bool = option(default=False, help="print JSON instead of text")
