"""Known faults of upstream releases: the list in ``data/known_faults.json``, and its match with the input."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from bids_deeptaskgen.bids.input.generators import Release
from bids_deeptaskgen.data import load_table

_TABLE = "known_faults.json"


@dataclass(frozen=True)
class KnownFault:
    """Fault of some releases of a pipeline, of which its authors or its issue tracker tell.

    Attributes
    ----------
    id : str
        Name of the fault.
    pipeline : str
        Name of the pipeline as its authors spell it.
    versions : tuple of str
        Ranges of affected versions, as `packaging.specifiers.SpecifierSet` reads them; any of them matches.
    affected : str
        Data that the fault concerns.
    fault : str
        What is wrong.
    consequence : str
        Meaning for connectome and predicted maps.
    action : str
        What to do.
    sources : tuple of str
        Addresses of the changelogs, issues and pull requests.
    """

    id: str
    pipeline: str
    versions: tuple[str, ...]
    affected: str
    fault: str
    consequence: str
    action: str
    sources: tuple[str, ...]

    def concerns(self, version: str) -> bool:
        """Return whether a version of the pipeline has this fault; see `is_affected`.

        Parameters
        ----------
        version : str
        """
        return is_affected(version, self.versions)


class FaultOfInput(NamedTuple):
    """Known fault of a release that wrote the input.

    Attributes
    ----------
    release : Release
    fault : KnownFault
    """

    release: Release
    fault: KnownFault

    @property
    def summary(self) -> str:
        """Return one sentence each on the fault and on the affected data."""
        return f"{self.fault.fault} This concerns {self.fault.affected}."

    @property
    def warning(self) -> str:
        """Return the text of a warning: release, fault, affected data, consequence and action."""
        return (
            f"{self.release.root}: {self.release.title} has a known fault ({self.fault.id}). {self.summary} "
            f"{self.fault.consequence} {self.fault.action}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``KnownFaultsOfInput`` in sidecars and in the dataset's description."""
        return {
            "Id": self.fault.id,
            "Pipeline": self.fault.pipeline,
            "Version": self.release.version,
            "Fault": self.fault.fault,
            "Affected": self.fault.affected,
            "Consequence": self.fault.consequence,
            "Sources": list(self.fault.sources),
        }


@cache
def list_known_faults() -> tuple[KnownFault, ...]:
    """List the known faults of all pipelines, in the order of the file.

    Returns
    -------
    tuple of KnownFault

    Examples
    --------
    >>> [fault.id for fault in list_known_faults() if fault.pipeline == "XCP-D" and fault.concerns("0.7.2")]
    ['xcp-d-band-pass', 'xcp-d-motion-filter-order']
    """
    table = load_table(_TABLE)
    return tuple(
        KnownFault(
            **entry
            | {
                "pipeline": table["pipelines"][entry["pipeline"]]["name"],
                "versions": tuple(entry["versions"]),
                "sources": tuple(entry["sources"]),
            }
        )
        for entry in table["faults"]
    )


def list_coverage() -> dict[str, str]:
    """Map each pipeline of the list to the last release whose changelog was read for it.

    Returns
    -------
    dict of str to str
    """
    return {entry["name"]: entry["covered_to"] for entry in load_table(_TABLE)["pipelines"].values()}


def parse_release(version: str) -> Version | None:
    """Parse a version as pipelines write it.

    Parameters
    ----------
    version : str
        For example ``20.2.1``, ``v0.7.2``, ``1.2.6-1`` or ``25.1.0+0.g123.dirty``.

    Returns
    -------
    Version or None
        None if the text is no version, e.g. ``unknown``, or a placeholder of packaging tools, ``0+unknown``.

    Examples
    --------
    >>> parse_release("v0.7.2"), parse_release("unknown")
    (<Version('0.7.2')>, None)
    """
    try:
        parsed = Version(version)
    except InvalidVersion:
        return None
    return parsed if any(parsed.release) else None


def is_affected(version: str, ranges: Sequence[str]) -> bool:
    """Return whether a version is in one of several ranges.

    A pre-release, a development version and a build with local changes match as the release whose number
    they have: ``20.2.1rc1`` and ``20.2.1+3.gabc.dirty`` as ``20.2.1``. A range may also name pre-releases.

    Parameters
    ----------
    version : str
        See `parse_release`.
    ranges : sequence of str
        Specifiers, e.g. ``>=20.2.0,<20.2.2``.

    Returns
    -------
    bool
        False if the text is no version.

    Examples
    --------
    >>> [is_affected(version, [">=20.2.0,<20.2.2"]) for version in ("20.2.1rc1", "20.2.1+3.gabc", "20.2.2")]
    [True, True, False]
    """
    parsed = parse_release(version)
    if parsed is None:
        return False
    candidates = (Version(parsed.public), Version(parsed.base_version))
    return any(
        SpecifierSet(text).contains(candidate, prereleases=True)
        for text in ranges
        for candidate in candidates
    )


def find_known_faults(releases: Iterable[Release]) -> tuple[FaultOfInput, ...]:
    """Find the known faults of releases.

    Parameters
    ----------
    releases : iterable of Release

    Returns
    -------
    tuple of FaultOfInput
        In the order of the releases.
    """
    return tuple(
        FaultOfInput(release, fault)
        for release in releases
        for fault in list_known_faults()
        if _is_pipeline(release.name, fault.pipeline) and fault.concerns(release.version)
    )


def find_unknown_versions(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Find the releases of pipelines in the list whose version is missing or no version.

    Parameters
    ----------
    releases : iterable of Release

    Returns
    -------
    tuple of Release
    """
    pipelines = {fault.pipeline for fault in list_known_faults()}
    return tuple(
        release
        for release in releases
        if parse_release(release.version) is None
        and any(_is_pipeline(release.name, pipeline) for pipeline in pipelines)
    )


def describe_known_faults(faults: Iterable[FaultOfInput], unknown_versions: Iterable[Release]) -> str:
    """Describe the known faults of the input in one line each.

    Parameters
    ----------
    faults : iterable of FaultOfInput
    unknown_versions : iterable of Release
        Result of `find_unknown_versions`.

    Returns
    -------
    str
        Empty if there is none.
    """
    lines = [f"Known fault of {item.release.title}: {item.summary} [{item.fault.id}]" for item in faults]
    return "\n".join([*lines, *describe_unknown_versions(unknown_versions)])


def describe_unknown_versions(releases: Iterable[Release]) -> list[str]:
    """Explain for which pipelines no known faults can be looked up, in one line each.

    Parameters
    ----------
    releases : iterable of Release
        Result of `find_unknown_versions`.

    Returns
    -------
    list of str
    """
    return [
        f"Known faults of {release.name} cannot be looked up: {release.root / 'dataset_description.json'} "
        f"has {f'the version {release.version!r}' if release.version else 'no version'} for it."
        for release in releases
    ]


def methods_sentence(faults: Sequence[FaultOfInput]) -> str:
    """Write a sentence on the known faults of the input for a methods section.

    Parameters
    ----------
    faults : sequence of FaultOfInput

    Returns
    -------
    str
        It begins a new line; empty if there are no faults.
    """
    if not faults:
        return ""
    ids_by_release: dict[str, list[str]] = {}
    for item in faults:
        ids_by_release.setdefault(item.release.title, []).append(item.fault.id)
    texts = [f"{title} ({', '.join(ids)})" for title, ids in ids_by_release.items()]
    return (
        "\nThe input was written by releases with known faults, which may concern these data: "
        f"{'; '.join(texts)}. `deeptaskgen known-faults` describes them."
    )


def _is_pipeline(name: str, pipeline: str) -> bool:
    """Return whether a description's name is that of a pipeline: spelling and punctuation do not count."""
    return _letters(name) == _letters(pipeline)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
