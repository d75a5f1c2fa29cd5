"""The page of a group."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.methods import methods_text
from bids_deeptaskgen.group.page import missing_sessions, page_facts
from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.machine import software_versions
from bids_deeptaskgen.report.group_content import GroupContent, GroupSetContent
from bids_deeptaskgen.settings.command_line import describe_command
from bids_deeptaskgen.settings.group import GroupSettings

PAGE = "group.html"


def write_page(
    staging: Path,
    settings: GroupSettings,
    sets: Sequence[GroupSet],
    contents: Sequence[GroupSetContent],
    missing_rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write the page of a group.

    Parameters
    ----------
    staging : Path
        Folder for the file, with the layout of the dataset.
    settings : GroupSettings
    sets : sequence of GroupSet
    contents : sequence of GroupSetContent
    missing_rows : sequence of dict
        Participants and sessions without maps.
    """
    from bids_deeptaskgen.report.group_html import render_group  # imports jinja2

    notices = dict.fromkeys(
        str(group_set.provenance["Notice"]) for group_set in sets if "Notice" in group_set.provenance
    )
    n_participants = len({label for item in sets for label in item.participants})
    content = GroupContent(
        title=f"Group of {quantity(n_participants, 'participant')}",
        notice=" ".join(notices),
        facts=page_facts(sets, missing_rows),
        sets=contents,
        missing_sessions=missing_sessions(missing_rows, settings.output_dir),
        methods=methods_text(
            contents,
            has_permutations=settings.n_permutations > 0,
            has_tfce=settings.tfce,
            froi=settings.froi,
            froi_percent=settings.froi_percent,
            atlases=settings.atlas,
            has_measured=settings.measured is not None,
        ),
        provenance=_provenance(settings, sets),
    )
    write_text(staging / PAGE, render_group(content))


def _provenance(settings: GroupSettings, sets: Sequence[GroupSet]) -> dict[str, str]:
    """Describe the command line, versions and models."""
    rows = {"Command line": describe_command(settings)}
    for group_set in sets:
        model = group_set.provenance.get("Model", {})
        rows[f"Model of {group_set.name}"] = str(model.get("Name", "n/a"))
        rows[f"sha256 of the weights of {group_set.name}"] = str(model.get("WeightsSha256", "n/a"))
        rows[f"Settings hash of {group_set.name}"] = group_set.settings_hash
    return rows | {f"Version of {name}": version for name, version in software_versions().items()}
