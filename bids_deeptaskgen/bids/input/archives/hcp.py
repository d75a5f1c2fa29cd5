"""Runs of the Human Connectome Project (Young Adult, Development, Aging), as its pipelines lay them out."""

import re
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.input.archives.base import Archive, names_in
from bids_deeptaskgen.connectome.inputs import RunInputs

# HCP's MNI space is FSL's, which TemplateFlow calls MNI152NLin6Asym.
# HCP-D cut the runs of its youngest in two, REST1a and REST1b; HCP-YA's of 7 T have that in their names.
_HCP_RUN = re.compile(r"rfMRI_REST(?P<run>\d*)(?P<part>[ab]?)(_(?P<acq>7T))?(_(?P<dir>LR|RL|AP|PA))?")
_CHUNKS = {"a": "1", "b": "2"}
# The same volumes under two filters: the first that is there is taken.
_HCP_CLEAN = ("{name}_hp2000_clean.nii.gz", "{name}_hp0_clean.nii.gz")


def _hcp_runs(folder: Path) -> list[tuple[Path, Entities]]:
    runs: list[tuple[Path, Entities]] = []
    for name in names_in(folder / "MNINonLinear" / "Results"):
        parts = _HCP_RUN.fullmatch(name)
        if not parts:
            continue
        place = folder / "MNINonLinear" / "Results" / name
        files = [place / pattern.format(name=name) for pattern in _HCP_CLEAN]
        found = parts.groupdict() | {"chunk": _CHUNKS.get(parts["part"])}
        entities = tuple((key, found[key]) for key in ("acq", "dir", "run", "chunk") if found[key])
        runs += [(path, entities) for path in files if path.exists()][:1]
    # HCP-D also has all its runs in one file: the same volumes must not count twice.
    single = [run for run in runs if run[1]]
    return single or runs


def _hcp_instead(folder: Path) -> str:
    results = folder / "MNINonLinear" / "Results"
    series = [
        name for run in names_in(results) if _HCP_RUN.fullmatch(run) for name in names_in(results / run)
    ]
    return "only surface or CIFTI series found" if any(".dtseries.nii" in name for name in series) else ""


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
    wanted="MNINonLinear/Results/rfMRI_REST*/*_hp2000_clean.nii.gz or *_hp0_clean.nii.gz",
    find=_hcp_runs,
    read=_hcp_inputs,
    instead=_hcp_instead,
)
