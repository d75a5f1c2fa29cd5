"""Content of pages for tests: maps with one blob, a short run, a small connectome."""

from dataclasses import replace
from functools import cache

import numpy as np

from bids_deeptaskgen.connectome.axial_slices import SLICES_MM, slice_indices, take_slices
from bids_deeptaskgen.connectome.template_masks import grey_matter_mask
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.map_images import map_images, sd_slices
from bids_deeptaskgen.report.participant_content import (
    ConnectomeContent,
    MapContent,
    Measure,
    PageWarning,
    ParticipantContent,
    QcRow,
    RunContent,
    SessionContent,
)
from bids_deeptaskgen.report.surface import make_surface_sampler

# Left frontal cortex.
BLOB_MM = (-46, 26, 16)
N_ROIS = 6
N_VOLUMES = 60
CONTRASTS = (
    ("motorRh", "MOTOR", 1.0),
    ("gamblingPunishMinusReward", "GAMBLING", 2.0),
    ("motorLf", "MOTOR", -1.0),
)


def blob(centre_mm=BLOB_MM, width_mm=12.0):
    """Compute a Gaussian on the grid of the output, 1 at its centre and 0 outside the grey matter."""
    axes = [
        OUTPUT_GRID.matrix[axis, 3] + 2.0 * np.arange(OUTPUT_GRID.shape[axis]) - centre_mm[axis]
        for axis in range(3)
    ]
    distance = sum(grid**2 for grid in np.meshgrid(*axes, indexing="ij", sparse=True))
    return np.where(mask(), np.exp(-distance / (2 * width_mm**2)), 0).astype(np.float32)


def mask():
    """Return the voxels with values."""
    return grey_matter_mask(OUTPUT_GRID)


@cache
def image_content(label, task, height, with_sd=True):
    """Create the content of a map with one blob."""
    volume = height * blob()
    sd, sd_limit = sd_slices(np.abs(volume) / 4, mask()) if with_sd else (None, 0.0)
    return MapContent(
        label,
        task,
        f"{task} {label}",
        "z",
        map_images(volume, make_surface_sampler(mask())),
        sd,
        sd_limit,
        "over 4 windows" if with_sd else "",
        0.05 if task == "GAMBLING" else 0.4,
        "Measured maps of this contrast have a low reliability." if task == "GAMBLING" else "",
        0.6 if label == "motorRh" else None,
        {"windows": 0.7},
    )


def run_content(seed=0):
    """Create the content of a run."""
    rng = np.random.default_rng(seed)
    is_brain = take_slices(mask(), slice_indices(OUTPUT_GRID)).astype(bool)
    return RunContent(
        "run-1",
        ["bids:raw:sub-01/func/sub-01_task-rest_bold.nii.gz"],
        {"Volumes": f"{N_VOLUMES}", "Minutes": "2"},
        2.0,
        rng.uniform(0, 0.6, N_VOLUMES),
        rng.uniform(1, 2, N_VOLUMES),
        np.arange(N_VOLUMES) > 3,
        0.5,
        rng.integers(0, 256, (40, N_VOLUMES), np.uint8),
        [("cortex", 30), ("white matter", 10)],
        (is_brain * 200).astype(np.uint8),
        is_brain,
    )


def connectome_content(seed=0):
    """Create the content of a connectome; the time series of the last ROI is missing."""
    matrix = np.corrcoef(np.random.default_rng(seed).standard_normal((N_ROIS, 30)))
    matrix[-1] = matrix[:, -1] = np.nan
    maps = np.full((N_ROIS, len(SLICES_MM), 55, 46), 190, np.uint8)
    maps[1] = 60
    return ConnectomeContent([f"ROI {roi + 1}" for roi in range(N_ROIS)], matrix, maps)


def session_content(name="task-rest", **changes):
    """Create the content of a session."""
    qc = [
        QcRow("fd", "Mean framewise displacement", 0.13, "mm", "pass", "warn above 0.25", "Mean.", "study"),
        QcRow("censored", "Censored share", 0.3, "", "warn", "warn above 0.2", "Share.", ""),
        QcRow("coverage", "Coverage", 0.5, "", "fail", "fail below 0.8", "", ""),
        QcRow("signal", "Global signal", None, "", "n/a", "", "", ""),
        QcRow("minutes", "Usable minutes", 2.0, "min", "info", "", "", ""),
    ]
    content = SessionContent(
        name,
        {"Volumes used": "56 of 60"},
        [
            PageWarning(
                "fail", "Half of the brain has no signal.", "Maps are extrapolated.", "Check the mask."
            )
        ],
        qc,
        [run_content()],
        (np.asarray(run_content().mean) // 2).astype(np.uint8),
        80.0,
        np.linspace(0.4, 1, N_ROIS),
        connectome_content(),
        [image_content(*contrast) for contrast in CONTRASTS],
        [Measure("mean", "Correlation with the mean connectome", 0.8, "High is typical.")],
        [Measure("windows", "Agreement between windows", 0.7, "After subtraction of the mean map.")],
    )
    return replace(content, **changes)


def participant_content(n_sessions=1, **changes):
    """Create the content of a page."""
    names = ["task-rest"] if n_sessions == 1 else [f"ses-{n + 1} task-rest" for n in range(n_sessions)]
    content = ParticipantContent(
        "sub-01: predicted maps",
        "sub-01",
        "Maps of this model are not for science.",
        {"Model": "embedded", "Device": "cpu"},
        [session_content(name) for name in names],
        methods="Maps were predicted.\n\n1. Author. *Title* (2024).",
        provenance={"bids_deeptaskgen": "0.1", "Command line": "bids-deeptaskgen in out participant"},
    )
    return replace(content, **changes)
