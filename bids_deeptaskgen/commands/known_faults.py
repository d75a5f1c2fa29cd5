"""``deeptaskgen known-faults``: list the known faults of upstream releases."""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.input.generators import Release, dataset_releases
from bids_deeptaskgen.bids.input.known_faults import (
    FaultOfInput,
    KnownFault,
    describe_unknown_versions,
    find_known_faults,
    find_unknown_versions,
    list_coverage,
    list_known_faults,
)
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.settings.known_faults import KnownFaultsSettings

_WIDTH = 110


def run(settings: KnownFaultsSettings) -> int:
    """List the known faults of all pipelines, or those of the releases that wrote a dataset.

    Parameters
    ----------
    settings : KnownFaultsSettings

    Returns
    -------
    int
        Exit code 0, whether there are faults or not.

    Raises
    ------
    InputError
        If the dataset is no folder.
    """
    if settings.dataset is None:
        content: Any = [_to_json(fault) for fault in list_known_faults()]
        lines = _all_lines()
    else:
        releases = _releases(settings.dataset)
        faults = find_known_faults(releases)
        content = {
            "Releases": [{"Name": release.name, "Version": release.version} for release in releases],
            "KnownFaultsOfInput": [item.to_json() for item in faults],
        }
        lines = _dataset_lines(settings.dataset, releases, faults)
    text = json.dumps(content, indent=2, ensure_ascii=False) if settings.json else "\n".join(lines)
    sys.stdout.write(text + "\n")
    return 0


def _releases(dataset: Path) -> tuple[Release, ...]:
    if not dataset.is_dir():
        problem = "is a file, not a folder" if dataset.exists() else "no such folder"
        message = f"{dataset}: {problem}.\nName the root of a dataset, which has dataset_description.json."
        raise InputError(message)
    return dataset_releases(dataset.absolute())


def _all_lines() -> Iterator[str]:
    for fault in list_known_faults():
        yield from _fault_lines(f"{fault.pipeline} {' or '.join(fault.versions)}", fault)
    coverage = ", ".join(f"{name} {version}" for name, version in list_coverage().items())
    yield f"{len(list_known_faults())} known faults. The list covers releases up to {coverage}."


def _dataset_lines(
    dataset: Path, releases: tuple[Release, ...], faults: tuple[FaultOfInput, ...]
) -> Iterator[str]:
    for item in faults:
        yield from _fault_lines(f"{item.release.title} ({item.release.root})", item.fault)
    yield from describe_unknown_versions(find_unknown_versions(releases))
    titles = ", ".join(release.title for release in releases)
    if not titles:
        yield f"{dataset}: no dataset_description.json names a pipeline in GeneratedBy."
        return
    count = f"{len(faults)} known faults" if len(faults) != 1 else "1 known fault"
    yield f"{count} of the releases that wrote this dataset: {titles}."


def _fault_lines(title: str, fault: KnownFault) -> Iterator[str]:
    """Yield the paragraph of a fault."""
    yield f"{title}  [{fault.id}]"
    parts = (fault.fault, f"Concerns {fault.affected}.", fault.consequence, fault.action)
    yield textwrap.fill(" ".join(parts), _WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield from (f"  {source}" for source in fault.sources)
    yield ""


def _to_json(fault: KnownFault) -> dict[str, Any]:
    return {
        "Id": fault.id,
        "Pipeline": fault.pipeline,
        "Versions": list(fault.versions),
        "Affected": fault.affected,
        "Fault": fault.fault,
        "Consequence": fault.consequence,
        "Action": fault.action,
        "Sources": list(fault.sources),
    }
