"""Small output datasets with a planted structure, written without running the participant level.

Each map has values in a small block of voxels: a pattern of the contrast, a pattern of the participant, an
effect of age in a part of the block, an effect of FD in another part, and noise of the session.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.output.completion import write_completion
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.roi_connectome import write_roi_connectome
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import write_tsv

HASH = "a" * 64
# Voxels with values, and those of them that depend on age (per year) and on FD (per mm).
BLOCK = (slice(40, 50), slice(50, 58), slice(30, 36))
SHAPE = (10, 8, 6)
AGE_PART = np.s_[:3, :, :]
FD_PART = np.s_[7:, :, :]
N_ROIS = 6


@dataclass(frozen=True)
class Plan:
    """What a dataset has.

    Attributes
    ----------
    n : int
        Number of participants, named ``01``, ``02`` and so on.
    sessions : sequence of str or None
    runs : sequence of str or None
        Labels of runs with their own maps (``--no-combine-runs``).
    contrasts : sequence of str
    entities : sequence of (str, str)
        Entities that all sessions share.
    settings_hash : str
    is_4d : bool
        Whether each session has one image of all contrasts.
    individual, noise : float
        Standard deviation of the patterns of participants and of the noise of sessions.
    age_slope, fd_slope : float
        Planted effects: units of the maps per year and per mm.
    session_change : float
        Added to the maps of the last session.
    has_connectomes, has_fd : bool
    seed : int
    """

    n: int = 12
    sessions: tuple = ("1", "2")
    runs: tuple = (None,)
    contrasts: tuple = ("wm2bk", "motorLh")
    entities: tuple = (("task", "rest"),)
    settings_hash: str = HASH
    is_4d: bool = False
    individual: float = 1.0
    noise: float = 0.3
    age_slope: float = 0.0
    fd_slope: float = 0.0
    session_change: float = 0.0
    has_connectomes: bool = True
    has_fd: bool = True
    seed: int = 0

    @property
    def labels(self):
        """Return the labels of the participants."""
        return tuple(f"{number:02d}" for number in range(1, self.n + 1))


@dataclass
class Cohort:
    """A dataset and what was planted into it.

    Attributes
    ----------
    folder : Path
    plan : Plan
    age, fd : array of shape (n_participants,)
    maps : dict
        Values of the block, by participant, session, run and contrast.
    connectomes : dict
        By participant, session and run.
    """

    folder: Path
    plan: Plan
    age: np.ndarray
    fd: np.ndarray
    maps: dict = field(default_factory=dict)
    connectomes: dict = field(default_factory=dict)

    def participant_maps(self, contrast):
        """Return the mean over the sessions of each participant, of the mean over runs; shape (n, block)."""
        means = []
        for label in self.plan.labels:
            sessions = [
                np.mean([self.maps[label, session, run, contrast] for run in self.plan.runs], axis=0)
                for session in self.plan.sessions
            ]
            means.append(np.mean(sessions, axis=0))
        return np.array(means)


def make_dataset(folder, **changes):
    """Write a dataset; the same arguments give the same bytes.

    Parameters
    ----------
    folder : Path
    **changes
        Fields of `Plan`.

    Returns
    -------
    Cohort
    """
    plan = Plan(**changes)
    rng = np.random.default_rng(plan.seed)
    age, fd = rng.uniform(20, 70, plan.n).round(1), rng.uniform(0.05, 0.4, plan.n).round(3)
    contrast_maps = {label: 3 + rng.standard_normal(SHAPE) for label in plan.contrasts}
    patterns = plan.individual * rng.standard_normal((plan.n, *SHAPE))
    bases = [np.corrcoef(rng.standard_normal((N_ROIS, 30))) for _ in range(plan.n)]
    cohort = Cohort(Path(folder), plan, age, fd)
    for number, label in enumerate(plan.labels):
        effects = patterns[number].copy()
        effects[AGE_PART] += plan.age_slope * (age[number] - 45)
        effects[FD_PART] += plan.fd_slope * (fd[number] - 0.2)
        for session in plan.sessions:
            change = plan.session_change * (session == plan.sessions[-1])
            for run in plan.runs:
                maps = {
                    contrast: values + effects + change + plan.noise * rng.standard_normal(SHAPE)
                    for contrast, values in contrast_maps.items()
                }
                cohort.maps |= {(label, session, run, contrast): values for contrast, values in maps.items()}
                metrics = {
                    "minutes_kept": float(rng.uniform(8, 12)),
                    "tsnr_median": float(rng.uniform(40, 80)),
                }
                metrics |= {"fd_mean_mm": float(fd[number])} if plan.has_fd else {"fd_mean_mm": None}
                matrix = bases[number] if plan.has_connectomes else None
                cohort.connectomes[label, session, run] = matrix
                add_session(folder, label, session, maps, run=run, metrics=metrics, matrix=matrix, plan=plan)
    write_participants(folder, cohort)
    return cohort


def write_participants(folder, cohort):
    """Write participants.tsv with age, sex, site and family; the first two participants are relatives."""
    n = cohort.plan.n
    columns = {
        "participant_id": [f"sub-{label}" for label in cohort.plan.labels],
        "age": list(cohort.age),
        "sex": ["FM"[number % 2] for number in range(n)],
        "site": ["AB"[(number // 2) % 2] for number in range(n)],
        "family_id": ["f1", "f1", *(f"f{number}" for number in range(3, n + 1))][:n],
    }
    write_tsv(Path(folder) / "participants.tsv", columns)


def add_session(folder, label, session, maps, *, run=None, metrics=None, matrix=None, plan=None):
    """Write a finished session or run.

    Parameters
    ----------
    folder : Path
    label, session, run : str or None
    maps : dict of str to array of the block's shape
        By contrast.
    metrics : dict, optional
    matrix : array, optional
        ROI x ROI connectome.
    plan : Plan, optional
    """
    plan = plan or Plan()
    all_entities = (*plan.entities, *([("run", run)] if run else []))
    names = {"subject": label, "session": session, "entities": all_entities}
    files = _write_4d(folder, maps, names) if plan.is_4d else _write_3d(folder, maps, names)
    if matrix is not None:
        path = output_path(folder, "roi_connectome", **names)
        rois = [{"Name": f"ROI{i + 1}", "PeakMm": [0.0, 0.0, 10.0 * i]} for i in range(len(matrix))]
        facts = {"RoiSet": {"Sha256": "r" * 64}, "Rois": rois, "PooledRuns": 1}
        write_roi_connectome(
            path, matrix, {"DeepTaskGen": {"SettingsHash": plan.settings_hash, "RoiConnectome": facts}}
        )
        files += [path, sidecar_path(path)]

    class Session:
        subject = label
        entities = all_entities

    Session.session = session
    write_completion(
        folder,
        Session,
        metrics or {},
        files=files,
        settings_hash=plan.settings_hash,
        fingerprint="f",
        contrasts=tuple(maps) if plan.is_4d else (),
    )


def full_map(block):
    """Place the values of the block into a map."""
    volume = np.zeros(OUTPUT_GRID.shape, np.float32)
    volume[BLOCK] = block
    return volume


def _entry(label):
    return {
        "Label": label,
        "SourceName": label.upper(),
        "Task": "WM",
        "TypicalRetestCorrelation": 0.1,
        "Units": "z",
    }


def _write_3d(folder, maps, names):
    files = []
    for label, block in maps.items():
        path = output_path(folder, "statmap", contrast=label, **names)
        save_nifti(path, full_map(block), OUTPUT_GRID.matrix)
        write_json(sidecar_path(path), {"DeepTaskGen": {"Contrast": _entry(label)}})
        files += [path, sidecar_path(path)]
    return files


def _write_4d(folder, maps, names):
    path = output_path(folder, "statmaps", **names)
    save_nifti(path, np.stack([full_map(block) for block in maps.values()], axis=-1), OUTPUT_GRID.matrix)
    write_json(sidecar_path(path), {"DeepTaskGen": {"Contrasts": [_entry(label) for label in maps]}})
    return [path, sidecar_path(path)]
