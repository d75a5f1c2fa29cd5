"""Page of the known faults of upstream releases."""

import re
from collections.abc import Iterator

from bids_deeptaskgen.bids.input.known_faults import KnownFault, list_coverage, list_known_faults
from scripts.reference.markdown import NOTICE, join_blocks, mark_code, table

_INTRODUCTION = """\
Some releases of fMRIPrep, XCP-D, fMRIPost-AROMA, NiBabies and HALFpipe have faults that reach the predicted maps. This page lists those that the program
knows: the affected releases, the data that the fault concerns, its consequence for the maps, what to do, and the sources. Faults of surface and CIFTI
output, of reports and of crashes are not in the list.

| command | lists |
|---|---|
| `deeptaskgen known-faults` | all faults, with their sources, and the last release of each pipeline that the list covers |
| `deeptaskgen known-faults DATASET` | the faults of the releases that wrote derivatives, the `derivatives` of a raw dataset, or an output of this program |

[`--json`](commands/known_faults.md#--json) prints the same as JSON. The exit code is 0 with and without faults.
"""
_BEHAVIOUR = """\
## What the program does

The program compares the list with every pipeline that the input names: each entry of `GeneratedBy` (or `PipelineDescription`) in the
`dataset_description.json` of the derivatives, of the datasets of `-d`, and of the local datasets in their `DatasetLinks` and `SourceDatasets`. For one
image, the description above the image counts.

A known fault is a warning. It never refuses or changes a map, since whether it concerns your data depends on the acquisition and the options of the
pipeline. It appears

- below the table of `--dry-run` and of each run, once per fault: “Known fault of” the release, with the data that it concerns;
- as a warning with the consequence and the action;
- in `KnownFaultsOfInput` of each sidecar and of the output's `dataset_description.json`. An empty list means that no fault was known when the maps were
  written. A newer list does not make finished maps unfinished;
- in a sentence of `CITATION.md`.

| version in the description | counts as |
|---|---|
| `20.2.1`, `v20.2.1` | 20.2.1; the spelling of the pipeline's name (`xcp_d`, `XCP-D`) does not matter |
| `20.2.1rc1`, `20.2.1.dev3`, `20.2.1+0.g123.dirty` | 20.2.1 |
| `unknown`, `0+unknown`, none | not comparable: “Known faults of … cannot be looked up” |
"""


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
        _INTRODUCTION.strip(),
        _BEHAVIOUR.strip(),
        "## Overview",
        f"{len(faults)} faults. The list covers releases up to {covered}.",
        table(("pipeline", "releases", "data", "fault"), overview),
        *(
            block
            for pipeline in pipelines
            for block in (
                f"## {pipeline}",
                *(
                    block
                    for fault in faults
                    if fault.pipeline == pipeline
                    for block in _fault_blocks(fault)
                ),
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
    if match := re.search(r"github\.com/[\w-]+/([\w-]+)/(?:issues|pull)/(\d+)$", source):
        return f"{match[1]} #{match[2]}"
    if match := re.search(r"github\.com/[\w-]+/([\w-]+)/(?:blob/([\w.]+)/(?:.*/)?([\w.]+)|releases(?:/tag/(\S+))?)$", source):
        return " ".join(part for part in (match[1], match[2] or match[4], match[3] or "releases") if part)
    return source
