"""Runs of the Human Connectome Project (Young Adult, Development, Aging), in the folders of its pipelines."""

import re
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.archives.base import Archive, list_names
from bids_deeptaskgen.connectome.inputs import RunInputs

# The MNI space of HCP is that of FSL, which TemplateFlow calls MNI152NLin6Asym.
# HCP-D split the runs of its youngest participants (REST1a, REST1b); names of HCP-YA's 7 T runs have 7T.
_HCP_RUN = re.compile(r"rfMRI_REST(?P<run>\d*)(?P<part>[ab]?)(_(?P<acq>7T))?(_(?P<dir>LR|RL|AP|PA))?")
_CHUNKS = {"a": "1", "b": "2"}
# The same volumes after two filters: the first existing file is used.
_HCP_CLEAN = ("{name}_hp2000_clean.nii.gz", "{name}_hp0_clean.nii.gz")


def _hcp_runs(folder: Path) -> list[tuple[Path, Entities]]:
    runs: list[tuple[Path, Entities]] = []
    results = folder / "MNINonLinear" / "Results"
    for name in list_names(results):
        match = _HCP_RUN.fullmatch(name)
        if not match:
            continue
        paths = [results / name / pattern.format(name=name) for pattern in _HCP_CLEAN]
        values = match.groupdict() | {"chunk": _CHUNKS.get(match["part"])}
        entities = tuple((key, values[key]) for key in ("acq", "dir", "run", "chunk") if values[key])
        runs += [(path, entities) for path in paths if path.exists()][:1]
    # HCP-D has a file of all its runs, too: the same volumes must not count twice.
    single_runs = [run for run in runs if run[1]]
    return single_runs or runs


def _describe_alternative(folder: Path) -> str:
    results = folder / "MNINonLinear" / "Results"
    names = [
        name for run in list_names(results) if _HCP_RUN.fullmatch(run) for name in list_names(results / run)
    ]
    return "only surface or CIFTI series found" if any(".dtseries.nii" in name for name in names) else ""


def _hcp_inputs(bold: Path, entities: Entities) -> RunInputs:
    mask, motion = bold.parent / "brainmask_fs.2.nii.gz", bold.parent / "Movement_Regressors.txt"
    return RunInputs(
        bold,
        mask if mask.exists() else None,
        motion if motion.exists() else None,
        t_r=None,
        entities=entities,
    )


HCP = Archive(
    title="Human Connectome Project",
    participant=re.compile(r"(?P<sub>\d{6}|HC[A-Z]\d{7})(_(?P<ses>V\d+))?(_MR)?"),
    example="100307 or HCD0001305_V1_MR",
    marker="MNINonLinear",
    pattern="MNINonLinear/Results/rfMRI_REST*/*_hp2000_clean.nii.gz or *_hp0_clean.nii.gz",
    find=_hcp_runs,
    read=_hcp_inputs,
    describe_alternative=_describe_alternative,
)
