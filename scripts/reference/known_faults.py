"""Page of the known faults of upstream releases."""

import re
from collections.abc import Iterator

from bids_deeptaskgen.bids.input.known_faults import KnownFault, list_coverage, list_known_faults
from scripts.reference.markdown import NOTICE, join_blocks, mark_code, read_text, table


def known_faults_page() -> str:
    """Return the page."""
    faults = list_known_faults()
    pipelines = list(dict.fromkeys(fault.pipeline for fault in faults))
    overview = [
        (fault.pipeline, _versions(fault), mark_code(fault.affected), f"[{fault.id}](#{fault.id})")
        for fault in faults
    ]
    covered = ", ".join(f"{name} {version}" for name, version in list_coverage().items())
    return join_blocks(
        "# Known faults of upstream releases",
        NOTICE,
        read_text("known_faults"),
        read_text("known_faults_behaviour"),
        "## Overview",
        f"{len(faults)} faults. The list covers releases up to {covered}.",
        table(("pipeline", "releases", "data", "fault"), overview),
        *(
            block
            for pipeline in pipelines
            for block in (
                f"## {pipeline}",
                *(block for fault in faults if fault.pipeline == pipeline for block in _fault_blocks(fault)),
            )
        ),
    )


def _fault_blocks(fault: KnownFault) -> Iterator[str]:
    yield f"### {fault.id}"
    yield mark_code(fault.fault)
    facts = (
        ("releases", _versions(fault)),
        ("data", mark_code(fault.affected)),
        ("consequence", mark_code(fault.consequence)),
        ("what to do", mark_code(fault.action)),
        ("sources", ", ".join(f"[{_title(source)}]({source})" for source in fault.sources)),
    )
    yield "\n".join(f"- {name}: {text}" for name, text in facts)


def _versions(fault: KnownFault) -> str:
    return "; ".join(_range(versions) for versions in fault.versions)


def _range(versions: str) -> str:
    """Return a range of versions in words.

    Parameters
    ----------
    versions : str
        Specifiers of Python packages.

    Returns
    -------
    str

    Examples
    --------
    >>> _range(">=1.2.0,<1.3.0"), _range("<2"), _range("==2.1")
    ('from 1.2.0, before 1.3.0', 'before 2', '2.1')
    """
    words = {">=": "from ", "<": "before ", "==": ""}
    parts = [re.sub(r"^(>=|<|==)", lambda match: words[match[1]], part) for part in versions.split(",")]
    return ", ".join(parts)


def _title(source: str) -> str:
    """Return a short name of an address: repository and number, or file and release."""
    repository, _, path = source.removeprefix("https://github.com/").partition("/")[2].partition("/")
    if match := re.fullmatch(r"(?:issues|pull)/(\d+)", path):
        return f"{repository} #{match[1]}"
    if match := re.fullmatch(r"blob/([\w.]+)/(?:.*/)?([\w.]+)", path):
        return f"{repository} {match[1]} {match[2]}"
    return f"{repository} {path.replace('/tag/', ' ')}"
