"""Content of a group's page for tests: made-up participants, one of them unusual."""

from dataclasses import replace
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.group_content import (
    Column,
    DesignContent,
    EffectRow,
    Embedding,
    GroupContent,
    GroupSetContent,
    IccRow,
    IdentificationRow,
    MapGroup,
    MissingSession,
    Outlier,
    QcFcContent,
    QcFcRow,
    SessionRow,
    Similarity,
)
from bids_deeptaskgen.report.map_images import map_images, sd_slices
from bids_deeptaskgen.report.participant_content import PageWarning
from bids_deeptaskgen.report.surface import make_surface_sampler
from tests.report.page_content import CONTRASTS, image_content, mask

COLUMNS = (
    Column("session", "Session", is_number=False),
    Column("site", "Site", is_number=False),
    Column(
        "fd_mean", "Mean framewise displacement", "mm", "Mean over volumes.",
        "warn above 0.25, fail above 0.5", is_metric=True, warn={"above": 0.25}, fail={"above": 0.5},
    ),
    Column("minutes", "Usable minutes", "min", "", "warn below 5", is_metric=True, warn={"below": 5.0}),
    Column("tsnr", "Median tSNR", "", "Median over the brain.", is_metric=True),
    Column("typicality", "Typicality", "", "Correlation with the mean map.", is_metric=True),
    Column("age", "Age", "years"),
)  # fmt: skip
UNUSUAL = 2


def names(n):
    """List the names of participants."""
    return [f"sub-{number + 1:0{max(2, len(str(n)))}d}" for number in range(n)]


def metric_values(n, seed=0):
    """Draw the cells of each participant; the third moved more than all others."""
    rng = np.random.default_rng(seed)
    fd = rng.gamma(6, 0.03, n)
    fd[UNUSUAL] = 0.9
    tsnr = 60 - 40 * fd + rng.normal(0, 5, n)
    typicality = 0.9 - 0.2 * fd + rng.normal(0, 0.02, n)
    minutes = 10 - 6 * fd + rng.normal(0, 0.3, n)
    age = rng.integers(22, 36, n)
    sites = [f"site {'AB'[number % 2]}" for number in range(n)]
    return [
        ["ses-1", site, *map(float, values), int(years)]
        for site, *values, years in zip(sites, fd, minutes, tsnr, typicality, age, strict=True)
    ]


def row_content(n, n_sessions=1, seed=0):
    """Create the rows of the table."""
    rows = []
    for session in range(n_sessions):
        for name, cells in zip(names(n), metric_values(n, seed + session), strict=True):
            label = f"ses-{session + 1}"
            full = name if n_sessions == 1 else f"{name} {label}"
            rows.append(SessionRow(name, full, f"{name}.html", [label, *cells[1:]]))
    return sorted(rows, key=lambda row: row.name)


def design_content(n, contrasts, seed=0):
    """Create the tests of two effects."""
    rng = np.random.default_rng(seed)
    age = rng.integers(22, 36, n)
    columns = ["age", "sex: M - F", "mean FD", "minutes", "tSNR", "intercept"]
    matrix = np.column_stack([age, rng.integers(0, 2, n), *rng.standard_normal((3, n)), np.ones(n)]).astype(
        float
    )
    rows = [
        EffectRow(
            label, effect, n, n - 6, 150_000 + place, int(rng.integers(0, 4000)),
            int(rng.integers(0, 400)), None, float(rng.normal(0, 4)),
            (-46.0, 26.0, 16.0), float(rng.uniform(-0.6, 0.6)),
        )
        for place, label in enumerate(contrasts)
        for effect in ("age", "sex: M - F")
    ]  # fmt: skip
    return DesignContent(
        "age + sex",
        {"Covariates": "mean FD, minutes, tSNR", "Participants": f"{n}", "Degrees of freedom": f"{n - 6}"},
        ["The site is left out, because all participants are of one site."],
        {"sub-99": "no age in participants.tsv"},
        columns,
        names(n),
        matrix,
        rows,
    )


def qc_fc_content(contrasts, n, n_rois=30, *, with_distance=True, seed=0):
    """Create the relation to motion."""
    rng = np.random.default_rng(seed)
    n_pairs = n_rois * (n_rois - 1) // 2
    edges = rng.normal(0.02, 1 / np.sqrt(n - 1), n_pairs).clip(-1, 1)
    distances = rng.uniform(20, 150, n_pairs)
    rows = [QcFcRow(label, n, 150_000, 0.01, 0.11, 0.61, 0.06, 0.0) for label in contrasts]
    rows.append(QcFcRow("ROI x ROI connectome", n, n_pairs, 0.02, 0.1, 0.6, 0.05, 0.0))
    if with_distance:
        return QcFcContent(rows, edges=edges - 0.001 * distances, distances_mm=distances, distance_r=-0.21)
    return QcFcContent(
        rows, edges=edges, distance_remark="The ROIs are spread over the brain, so they have no distance."
    )


def similarity_content(n, seed=0):
    """Create two matrices of at most 300 participants; the unusual one is less similar."""
    rng = np.random.default_rng(seed)
    matrices = []
    n_shown = min(n, 300)
    for mean, title in ((0.85, "mean over 47 contrasts"), (0.0, "minus the group mean")):
        noise = rng.normal(mean, 0.04, (n_shown, n_shown))
        matrix = (noise + noise.T) / 2
        matrix[UNUSUAL] -= 0.15
        matrix[:, UNUSUAL] -= 0.15
        np.fill_diagonal(matrix, 1)
        matrices.append(Similarity(title, names(n)[:n_shown], matrix, mean, n))
    return matrices


def identification_content(n):
    """Create the identification with and without the mean over participants."""
    return [
        IdentificationRow(
            "mean over contrasts", "ses-1 and ses-2", is_deviation, n, 0.83, 1.4, 0.12, 0.92, 0.8
        )
        for is_deviation in (False, True)
    ]


def icc_content(contrasts, n_rois=12, n=30, seed=0):
    """Create the reliability of ROIs."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 0.9, (len(contrasts), n_rois))
    return [
        IccRow(label, f"ROI {roi + 1}", n, 2, value, value - 0.15, min(value + 0.12, 1.0))
        for label, line in zip(contrasts, values, strict=True)
        for roi, value in enumerate(line)
    ]


@cache
def mean_groups():
    """Create the mean maps of three contrasts, and the maps of a test."""
    means = [image_content(*contrast) for contrast in CONTRASTS]
    means = [replace(image, sd_meaning="over participants", calibration_weight=None) for image in means]
    tests = [
        replace(image, sd_slices=None, sd_meaning="", units="t", warning="", retest_r=None) for image in means
    ]
    return (
        MapGroup(
            "Mean over participants",
            "What the model expects of these participants on average.",
            means,
            {label: {"Participants": "30"} for label, *_ in CONTRASTS},
        ),
        MapGroup(
            "Effect of age (t)",
            "t of the slope with age.",
            tests,
            {"motorRh": {"Voxels with q < 0.05": "120"}},
            is_predicted=False,
            thresholds={"motorRh": 0.5},
            effect="age",
        ),
    )


def set_content(n=30, name="task-rest", n_sessions=1, seed=0, **changes):
    """Create the content of a set."""
    labels = [label for label, *_ in CONTRASTS]
    rows = row_content(n, n_sessions, seed)
    unusual = next(row for row in rows if row.participant == names(n)[UNUSUAL])
    content = GroupSetContent(
        name,
        {
            "Participants": f"{n}",
            "Sessions": f"{n_sessions}",
            "Contrasts": f"{len(labels)}",
            "Model": "embedded",
        },
        COLUMNS,
        rows,
        [PageWarning("warn", "One participant moved more than all others.", "", "Look at the page.")],
        [Outlier(unusual.participant, unusual.name, "Mean framewise displacement", 0.9, 12.1)],
        mean_groups(),
        design_content(n, labels, seed),
        qc_fc_content(labels, n),
        similarity_content(n, seed),
        identification_content(n),
        icc_content(labels),
        ["ICC needs 20 participants with complete sessions."],
        Embedding(
            names(n),
            np.random.default_rng(seed).standard_normal((n, 3)) * [3, 2, 1],
            [0.31, 0.12, 0.06],
            "mean over 47 contrasts",
        ),
        participants=names(n),
    )
    return replace(content, **changes)


def group_content(n=30, **changes):
    """Create the content of a page with one set."""
    content = GroupContent(
        "Group of 30 participants",
        "Maps of this model are not for science.",
        {"Input": "bids:deeptaskgen:", "Sessions": "30"},
        [set_content(n)],
        [
            MissingSession("sub-77", "ses-1", "Only 2 minutes remain after censoring.", "sub-77.html"),
            MissingSession("sub-78", "", "The file is cut."),
        ],
        "Maps were averaged.\n\n1. Author. *Title* (2024).",
        {"bids_deeptaskgen": "0.1", "Command line": "bids-deeptaskgen in out group"},
    )
    return replace(content, **changes)


@cache
def noise_maps(n_contrasts=47, *, with_sd=True):
    """Create smooth noise, which compresses less than maps do, for each contrast."""
    maps = []
    for number in range(n_contrasts):
        noise = gaussian_filter(np.random.default_rng(number).standard_normal(OUTPUT_GRID.shape), 2.5)
        image = image_content("motorRh", ("MOTOR", "WM", "EMOTION")[number % 3], 1.0, with_sd=False)
        sd, limit = sd_slices(np.abs(noise), mask()) if with_sd else (None, 0.0)
        maps.append(
            replace(
                image,
                label=f"contrast{number}",
                images=map_images(np.where(mask(), noise, 0), make_surface_sampler(mask())),
                sd_slices=sd,
                sd_limit=limit,
                sd_meaning="over participants" if with_sd else "",
            )
        )
    return tuple(maps)


def large_set(n=1000, n_contrasts=47, name="task-rest"):
    """Create a set as large as studies are: three groups of maps of 47 contrasts, 50 ROIs."""
    maps = noise_maps(n_contrasts)
    tests = [replace(image, sd_slices=None, units="t") for image in maps]
    labels = [image.label for image in maps]
    return set_content(
        n,
        name,
        map_groups=[
            MapGroup("Mean over participants", "Mean.", maps),
            MapGroup("Effect of age (t)", "t of the slope.", tests, is_predicted=False, effect="age"),
            MapGroup("Correlation with mean FD", "Pearson r.", tests, is_predicted=False),
        ],
        design=design_content(n, labels),
        qc_fc=qc_fc_content(labels, n, n_rois=50),
        icc=icc_content(labels, n_rois=50, n=n),
    )
