"""Runs of the Human Connectome Project (Young Adult, Development, Aging), in the folders of its pipelines."""

import re
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.archives.base import Archive, explain_no_motion, has_entry, list_names
from bids_deeptaskgen.bids.input.layout import require_target
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.errors import abbreviate

# The MNI space of HCP is that of FSL, which TemplateFlow calls MNI152NLin6Asym.
# HCP-D split the runs of its youngest participants (REST1a, REST1b); names of HCP-YA's 7 T runs have 7T.
_HCP_RUN = re.compile(r"rfMRI_REST(?P<run>\d*)(?P<part>[ab]?)(_(?P<acq>7T))?(_(?P<dir>LR|RL|AP|PA))?")
_CHUNKS = {"a": "1", "b": "2"}
# The same volumes after several cleanings: FIX, with later corrections of its classes (rclean) and temporal
# ICA (tclean). The first existing file is used: without temporal ICA, as the series that the published models
# were trained on, and hp2000 before hp0.
_SERIES_NAME = re.compile(
    r"_hp(?P<filter>2000|0|\d+|pd\d)_clean(?P<rclean>_rclean)?(?P<tclean>_tclean)?\.nii\.gz"
)
_FILTERS = ("2000", "0")


def _preference(match: re.Match[str]) -> tuple[bool, bool, int, str]:
    """Return the sort key of a cleaned series."""
    name = match["filter"]
    rank = _FILTERS.index(name) if name in _FILTERS else len(_FILTERS)
    return bool(match["tclean"]), bool(match["rclean"]), rank, name


def _cleaned_series(folder: Path) -> list[Path]:
    """List the cleaned series of a run, in order of preference."""
    matches = [(_SERIES_NAME.fullmatch(name.removeprefix(folder.name)), name) for name in list_names(folder)]
    ranked = sorted((_preference(match), name) for match, name in matches if match)
    return [folder / name for _, name in ranked]


def describe_cleaning(bold: Path) -> str:
    """Describe how HCP's pipelines cleaned a series, by its file name.

    Parameters
    ----------
    bold : Path

    Returns
    -------
    str
        Empty for other names.

    Examples
    --------
    >>> describe_cleaning(Path("rfMRI_REST1_LR_hp0_clean_rclean_tclean.nii.gz"))
    'hp0; ICA-FIX; reclassified components (rclean); temporal ICA (tclean)'
    """
    match = _SERIES_NAME.search(bold.name)
    if not match:
        return ""
    steps = [f"hp{match['filter']}", "ICA-FIX"]
    steps += ["reclassified components (rclean)"] if match["rclean"] else []
    steps += ["temporal ICA (tclean)"] if match["tclean"] else []
    return "; ".join(steps)


def _hcp_runs(folder: Path) -> list[tuple[Path, Entities]]:
    runs: list[tuple[Path, Entities]] = []
    results = folder / "MNINonLinear" / "Results"
    for name in list_names(results):
        match = _HCP_RUN.fullmatch(name)
        if not match:
            continue
        values = match.groupdict() | {"chunk": _CHUNKS.get(match["part"])}
        entities = tuple((key, values[key]) for key in ("acq", "dir", "run", "chunk") if values[key])
        runs += [(path, entities) for path in _cleaned_series(results / name)[:1]]
    # A series of all runs (rfMRI_REST, rfMRI_REST_7T) has the same volumes, which must not count twice.
    return [run for run in runs if "run" in dict(run[1]) or not _has_single_runs(run[1], runs)]


def _has_single_runs(entities: Entities, runs: Sequence[tuple[Path, Entities]]) -> bool:
    acquisition = dict(entities).get("acq")
    return any(
        "run" in dict(run_entities) and dict(run_entities).get("acq") == acquisition
        for _, run_entities in runs
    )


def _describe_alternative(folder: Path) -> str:
    results = folder / "MNINonLinear" / "Results"
    names = [
        name for run in list_names(results) if _HCP_RUN.fullmatch(run) for name in list_names(results / run)
    ]
    return "only surface or CIFTI series found" if any(".dtseries.nii" in name for name in names) else ""


def _hcp_inputs(bold: Path, entities: Entities) -> RunInputs:
    mask, motion = bold.parent / "brainmask_fs.2.nii.gz", bold.parent / "Movement_Regressors.txt"
    findings = [*explain_no_motion(bold, motion)] if not has_entry(motion) else []
    if not has_entry(mask):
        similar = [name for name in list_names(bold.parent) if "mask" in name.lower() and ".nii" in name]
        message = (
            f"{mask}: no such mask (masks there: {abbreviate(similar) or 'none'}): voxels of {bold.name} "
            "that are not 0 count as brain. Fetch the mask from the archive."
        )
        findings.append(Finding("mask_not_found", message))
    return RunInputs(
        require_target(bold),
        require_target(mask) if has_entry(mask) else None,
        require_target(motion) if has_entry(motion) else None,
        t_r=None,
        entities=entities,
        findings=tuple(findings),
        denoised_by=describe_cleaning(bold),
    )


HCP = Archive(
    title="Human Connectome Project",
    participant=re.compile(r"(?P<sub>\d{6}|HC[A-Z]\d{7})(_(?P<ses>V\d+))?(_MR)?"),
    example="100307 or HCD0001305_V1_MR",
    marker="MNINonLinear",
    pattern="MNINonLinear/Results/rfMRI_REST*/*_hp2000_clean.nii.gz, *_hp0_clean.nii.gz or the same with "
    "_rclean, _tclean",
    find=_hcp_runs,
    read=_hcp_inputs,
    describe_alternative=_describe_alternative,
)
