"""Simulated participants as a dataset in the layout of fMRIPrep 25, with measured maps."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.measured_maps import measured_folder
from bids_deeptaskgen.bids.output.paths import BIDS_VERSION
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID, Array, Grid
from bids_deeptaskgen.io.atomic import remove_stale_files, write_json, write_text
from bids_deeptaskgen.io.nifti_writer import nifti_header, save_nifti, to_stored, write_gzip
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.simulation.confounds import ConfoundSampler, confounds_table
from bids_deeptaskgen.simulation.participant import (
    Participant,
    simulate_participant,
    simulated_age_and_sex,
)
from bids_deeptaskgen.simulation.resting_state import RestRun, RestSettings

LOG = logging.getLogger("bids_deeptaskgen")
SPACE = "MNI152NLin6Asym"
# A step below a hundredth of the noise, in which int16 still reaches the brightest dummy scan.
INT16_SLOPE = 0.75
VOLUMES_PER_BLOCK = 16
README = """Simulated data
==============

No participant was measured. `deeptaskgen simulate` wrote these files to try and test software: resting-state
runs in the layout of fMRIPrep 25.2, and in `derivatives/measured` the task maps of the same simulated
participants. They contain no information about brains.
"""
PARTICIPANTS = {
    "age": {
        "Description": "Age of the simulated participant; without effect on the images.",
        "Units": "year",
    },
    "sex": {
        "Description": "Sex of the simulated participant; without effect on the images.",
        "Levels": {"F": "female", "M": "male"},
    },
}


@dataclass(frozen=True)
class Cohort:
    """The settings of a simulated dataset.

    Attributes
    ----------
    n_participants, n_sessions, n_runs : int
        Participants, sessions per participant, resting-state runs per session. File names of a single
        session or run have no ``ses-`` or ``run-``.
    rest : RestSettings
        Length and artefacts of each run.
    statmaps : bool
        Whether to write the measured maps too.
    dtype : str
        ``float32``, or ``int16`` with a slope.
    seed : int
        Seed of the simulation; the same seed gives the same bytes.
    grid : Grid
        Points of the 2 mm MNI152 grid, or every n-th of them.
    """

    n_participants: int
    n_sessions: int
    n_runs: int
    rest: RestSettings
    statmaps: bool
    dtype: str
    seed: int
    grid: Grid


def simulate_dataset(out: Path | str, *, grid: Grid | None = None, **options: object) -> Path:
    """Write simulated resting-state runs in the layout of fMRIPrep 25, and measured maps.

    Parameters
    ----------
    out : Path or str
        Folder of the dataset: new, empty, or with the same simulation. The measured maps are a separate
        dataset in its ``derivatives/measured``.
    grid : Grid, optional
        Every n-th point of TemplateFlow's res-02 grid. By default, ``voxel_size`` determines it.
    options : object
        Fields of `SimulateSettings`, e.g. ``n_participants=2``. A participant does not depend on the number
        of participants.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If the folder holds other files, a value is invalid, or a run would be too short.

    Examples
    --------
    `folder` is an empty folder.

    >>> out = simulate_dataset(folder, voxel_size=8, n_participants=1, n_volumes=10, statmaps=False)
    >>> [path.name for path in out.glob("sub-01/func/*_bold.nii.gz")]
    ['sub-01_task-rest_space-MNI152NLin6Asym_res-8_desc-preproc_bold.nii.gz']
    """
    settings = SimulateSettings(out, **options)
    out = settings.out
    grid = grid or _coarse_grid(settings.voxel_size)
    cohort = fill(Cohort, settings, rest=fill(RestSettings, settings), grid=grid)
    _write_descriptions(out, cohort)
    for index in range(cohort.n_participants):
        participant = simulate_participant(cohort.seed, index, grid=grid, margin=True)
        for session in range(cohort.n_sessions):
            _write_session(out, cohort, participant, session)
        LOG.info("sub-%s simulated (%d of %d).", _label(index), index + 1, cohort.n_participants)
    return out


def _coarse_grid(voxel_size_mm: int) -> Grid:
    """Keep every n-th point of the output grid, from its first one on."""
    step = voxel_size_mm // 2
    if step == 1:
        return OUTPUT_GRID
    shape = tuple(-(-n // step) for n in OUTPUT_GRID.shape)
    return Grid.from_image(shape, OUTPUT_GRID.matrix @ np.diag([step, step, step, 1.0]))


def _label(index: int) -> str:
    return f"{index + 1:02d}"


def _resolution(grid: Grid) -> str:
    return f"{grid.voxel_sizes_mm[0]:g}".replace(".", "p")


def _write_descriptions(out: Path, cohort: Cohort) -> None:
    """Check that the folder holds no other files, then write the descriptions of the dataset."""
    description = _description("Simulated resting-state fMRI", cohort)
    _refuse_other_content(out, description)
    remove_stale_files(out)
    write_json(out / "dataset_description.json", description)
    write_text(out / "README", README)
    # As fMRIPrep does: BIDS does not define names of confounds tables.
    write_text(out / ".bidsignore", "*_timeseries.*\n")
    write_json(out / "participants.json", PARTICIPANTS)
    participants = [simulated_age_and_sex(cohort.seed, index) for index in range(cohort.n_participants)]
    rows = [f"sub-{_label(index)}\t{age}\t{sex}\n" for index, (age, sex) in enumerate(participants)]
    write_text(out / "participants.tsv", "participant_id\tage\tsex\n" + "".join(rows))
    if cohort.statmaps:
        measured = measured_folder(out)
        measured_description = _description("Simulated measured task maps", cohort)
        write_json(measured / "dataset_description.json", measured_description)
        write_text(measured / "README", README)
        write_text(measured / ".bidsignore", "*_statmap.*\n")
        res = _resolution(cohort.grid)
        # One sidecar for all maps: by BIDS inheritance it may lie above the participants' folders.
        write_json(
            measured / f"space-{SPACE}_res-{res}_stat-z_desc-measured_statmap.json",
            {
                "Description": "Task map of a simulated participant, with measurement noise; z-like units.",
                "Resolution": _resolution_text(cohort.grid),
                "SkullStripped": True,
            },
        )


def _refuse_other_content(out: Path, description: dict[str, Any]) -> None:
    """Refuse a folder that is neither new, empty, nor of the same simulation."""
    if not out.exists() or not any(out.iterdir()):
        return
    path = out / "dataset_description.json"
    try:
        is_same = json.loads(path.read_text("utf-8")) == description
    except (OSError, ValueError):
        is_same = False
    if not is_same:
        msg = (
            f"{out} is not empty, and its files are not of this simulation.\n"
            "Choose a new folder, or remove this one if it is no longer needed."
        )
        raise UserError(msg)


def _resolution_text(grid: Grid) -> str:
    size = _resolution(grid)
    if grid == OUTPUT_GRID:
        return "TemplateFlow res-02 grid (2 x 2 x 2 mm)"
    return f"Every n-th point of TemplateFlow's res-02 grid ({size} x {size} x {size} mm)"


def _description(name: str, cohort: Cohort) -> dict[str, Any]:
    """Describe a dataset: that it is simulated, and in the layout of which software."""
    try:
        release = version("bids-deeptaskgen")
    except PackageNotFoundError:
        release = "unknown"
    rest = cohort.rest
    return {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": "CC0",
        "GeneratedBy": [
            {
                "Name": "bids-deeptaskgen simulate",
                "Version": release,
                "Description": "Simulated data: no participant was measured.",
            },
            {"Name": "fMRIPrep", "Version": "25.2.5", "Description": "layout only: simulated data"},
        ],
        "Simulation": {
            "NumberOfParticipants": cohort.n_participants,
            "NumberOfSessions": cohort.n_sessions,
            "NumberOfRuns": cohort.n_runs,
            "NumberOfVolumes": rest.n_volumes,
            "RepetitionTime": rest.t_r,
            "NumberOfDummies": rest.n_dummies,
            "MotionScale": rest.motion,
            "DriftScale": rest.drift,
            "TaskMaps": cohort.statmaps,
            "DataType": cohort.dtype,
            "Seed": cohort.seed,
        },
    }


def _write_session(out: Path, cohort: Cohort, participant: Participant, session: int) -> None:
    """Write the runs and the measured maps of a participant's session."""
    entities = [("sub", _label(participant.index))]
    if cohort.n_sessions > 1:
        entities.append(("ses", str(session + 1)))
    folder = Path(*(f"{key}-{value}" for key, value in entities)) / "func"
    stem = "_".join(f"{key}-{value}" for key, value in entities)
    for number in range(cohort.n_runs):
        run = participant.rest_run(cohort.rest, session=session, run=number)
        name = f"{stem}_task-rest" + (f"_run-{number + 1}" if cohort.n_runs > 1 else "")
        _write_run(out / folder, name, run, cohort)
    if cohort.statmaps:
        _write_statmaps(measured_folder(out) / folder, stem, participant, session)


def _write_run(folder: Path, name: str, run: RestRun, cohort: Cohort) -> None:
    """Write the volumes, the mask and the confounds of a run, each with its JSON."""
    grid, t_r = cohort.grid, cohort.rest.t_r
    in_space = f"{name}_space-{SPACE}_res-{_resolution(grid)}"
    resolution = _resolution_text(grid)
    sampler = ConfoundSampler(run.anatomy)
    bold = folder / f"{in_space}_desc-preproc_bold.nii.gz"
    write_gzip(bold, _bold_bytes(run, np.dtype(cohort.dtype).newbyteorder("<"), sampler))
    write_json(
        folder / f"{in_space}_desc-preproc_bold.json",
        {
            "RepetitionTime": t_r,
            "SkullStripped": False,
            "SliceTimingCorrected": False,
            "TaskName": "rest",
            "Resolution": resolution,
        },
    )
    mask = np.zeros(grid.shape, np.uint8)
    mask[run.anatomy.head] = run.mask
    save_nifti(folder / f"{in_space}_desc-brain_mask.nii.gz", mask, grid.matrix, dtype=np.uint8)
    write_json(
        folder / f"{in_space}_desc-brain_mask.json",
        {"Type": "Brain", "RawSources": [], "Resolution": resolution},
    )
    table, metadata = confounds_table(run, sampler.series())
    text = table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.10g", lineterminator="\n")
    write_text(folder / f"{name}_desc-confounds_timeseries.tsv", text)
    write_json(folder / f"{name}_desc-confounds_timeseries.json", metadata)


def _bold_bytes(run: RestRun, dtype: np.dtype[Any], sampler: ConfoundSampler) -> Iterator[bytes | Array]:
    """Yield the bytes of a run's NIfTI file block by block, and sample the blocks for the confounds."""
    grid, settings = run.anatomy.grid, run.settings
    slope = INT16_SLOPE if dtype.kind == "i" else None
    shape = (*grid.shape, settings.n_volumes)
    yield nifti_header(shape, grid.matrix, dtype, t_r=settings.t_r, slope=slope)
    # In a NIfTI file the first axis varies fastest.
    i, j, k = np.nonzero(run.anatomy.head)
    places = i + grid.shape[0] * (j + grid.shape[1] * k)
    volumes = np.zeros((VOLUMES_PER_BLOCK, int(np.prod(grid.shape))), dtype)
    for block in run.blocks(VOLUMES_PER_BLOCK):
        sampler.add(block)
        for volume, values in zip(volumes, to_stored(block, dtype, slope=slope), strict=False):
            volume[places] = values
        yield volumes[: len(block)]


def _write_statmaps(folder: Path, stem: str, participant: Participant, session: int) -> None:
    grid = participant.anatomy.grid
    volume = np.zeros(grid.shape, np.float32)
    maps = participant.statmaps(session=session)
    for contrast, statmap in zip(load_contrasts(), maps, strict=True):
        volume[participant.anatomy.head] = statmap
        name = (
            f"{stem}_task-{contrast.task.lower()}_space-{SPACE}_res-{_resolution(grid)}"
            f"_contrast-{contrast.label}_stat-z_desc-measured_statmap.nii.gz"
        )
        save_nifti(folder / name, volume, grid.matrix)
