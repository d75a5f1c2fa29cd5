"""Releases that wrote a dataset: every entry of ``GeneratedBy`` in the chain of its sources."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bids_deeptaskgen.bids.input.derivatives import list_pipelines, read_description, resolve_link
from bids_deeptaskgen.bids.input.input_dataset import InputDataset

# Levels of linked datasets: XCP-D links to fMRIPost-AROMA, which links to fMRIPrep, which links to raw data.
_MAX_DEPTH = 4
# Folders between an image and the root of its dataset: func, ses-*, sub-*.
_MAX_FOLDERS = 3


class Release(NamedTuple):
    """Release of a pipeline that a dataset names.

    Attributes
    ----------
    name : str
        Name of the pipeline, as the description spells it.
    version : str
        As the description has it; empty if it has none.
    root : Path
        Dataset whose description names the release.
    """

    name: str
    version: str
    root: Path

    @property
    def title(self) -> str:
        """Return name and version, e.g. ``fMRIPrep 25.2.5``."""
        return f"{self.name} {self.version}".strip()


def input_releases(dataset: InputDataset) -> tuple[Release, ...]:
    """List the releases that wrote the input datasets of a run, and the datasets that these link to.

    Parameters
    ----------
    dataset : InputDataset

    Returns
    -------
    tuple of Release
        Each once, those of the main dataset first.
    """
    root, description = dataset.root, dataset.description
    if dataset.session is not None and not list_pipelines(description):
        root = _dataset_root(root)
        description = read_description(root)
    extra_datasets = [(folder, read_description(folder)) for _, folder in dataset.extra_roots]
    return _releases([(root, description), *extra_datasets])


def dataset_releases(root: Path) -> tuple[Release, ...]:
    """List the releases that wrote a dataset, its ``derivatives``, and the datasets that these link to.

    Parameters
    ----------
    root : Path
        Root of derivatives, or of a raw dataset.

    Returns
    -------
    tuple of Release
        Each once.
    """
    folders = [root, *sorted(path for path in root.glob("derivatives/*") if path.is_dir())]
    return _releases([(folder, read_description(folder)) for folder in folders])


def _releases(datasets: Iterable[tuple[Path, Mapping[str, Any]]]) -> tuple[Release, ...]:
    """List the distinct releases of datasets and of the datasets that they link to, level by level."""
    level, visited = list(datasets), set[str]()
    # Derivatives repeat the entries of their sources: the first of equal releases is kept.
    releases: dict[tuple[str, str], Release] = {}
    for _ in range(_MAX_DEPTH):
        next_level: list[tuple[Path, Mapping[str, Any]]] = []
        for root, description in level:
            visited.add(os.path.realpath(root))
            for entry in list_pipelines(description):
                release = Release(_text(entry.get("Name")), _text(entry.get("Version")), root)
                releases.setdefault((release.name.lower(), release.version), release)
            next_level += [
                (linked_root, read_description(linked_root))
                for linked_root in _linked_roots(root, description)
                if os.path.realpath(linked_root) not in visited
            ]
        level = next_level
    return tuple(release for release in releases.values() if release.name)


def _linked_roots(root: Path, description: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the local folders of ``DatasetLinks`` and ``SourceDatasets``, whether they exist or not."""
    links = description.get("DatasetLinks")
    addresses = list(links.values()) if isinstance(links, Mapping) else []
    sources = description.get("SourceDatasets")
    entries = sources if isinstance(sources, list) else []
    addresses += [entry.get("URL") for entry in entries if isinstance(entry, Mapping)]
    for address in addresses:
        if isinstance(address, str) and (folder := resolve_link(address, root)):
            yield folder


def _dataset_root(folder: Path) -> Path:
    """Return the nearest folder that a description assigns to a pipeline, from an image's folder upwards."""
    for candidate in (folder, *folder.absolute().parents[:_MAX_FOLDERS]):
        if list_pipelines(read_description(candidate)):
            return candidate
    return folder


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""
