"""Settings of the group level."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import label_option, option


@dataclass(frozen=True)
class GroupSettings(Settings):
    """Compute mean, SD and count maps over the participants of an output dataset, and a quality table."""

    bids_dir: Path = option(positional=True, help="any folder; the group level does not read it")
    output_dir: Path = option(positional=True, help="output dataset of the participant level")

    participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        group="choose data",
        from_file=True,
        default_meaning="all participants",
        help="participants to average, with or without sub-; @FILE reads one label per line from a file",
    )
    exclude_participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        group="choose data",
        from_file=True,
        default_meaning="none",
        help="participants to leave out, with or without sub-, also if --participant-label names them; @FILE "
        "reads one label per line from a file",
    )
    overwrite: bool = option(
        default=False, group="run", help="also replace group files that include other participants"
    )
