"""Settings of the group level."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import label_option, option


@dataclass(frozen=True)
class GroupSettings(Settings):
    """Join the people of an output dataset: mean, SD and count maps, and the table of quality figures."""

    bids_dir: Path = option(positional=True, help="any folder; the group level does not read it")
    output_dir: Path = option(positional=True, help="dataset that the participant level wrote")

    participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        group="choose data",
        from_file=True,
        unset="everybody",
        help="people to join, with or without sub-; @FILE takes them from a file, one a line",
    )
    overwrite: bool = option(
        default=False, group="run", help="replace files of the group that are of other people, too"
    )
