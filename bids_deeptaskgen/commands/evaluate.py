"""``deeptaskgen evaluate``: how well predicted maps fit measured ones, beside the baselines."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError, UserError, shown
from bids_deeptaskgen.evaluation.baselines import (
    LINEAR,
    RETEST,
    choose_averages,
    linear_predictions,
    predictors,
)
from bids_deeptaskgen.evaluation.map_reader import common_mask
from bids_deeptaskgen.evaluation.report import Tables, matrix_path, write_page
from bids_deeptaskgen.evaluation.scoring import COMPARED, Scored, compare, score, summarise
from bids_deeptaskgen.evaluation.study import Study, gather
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.io.tsv import join_columns, write_tsv
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.stats.common_voxels import restrict_in_place
from bids_deeptaskgen.stats.map_rows import LeaveOneOut
from bids_deeptaskgen.stats.paired_tests import fdr

logger = logging.getLogger("bids_deeptaskgen")

# With fewer of the voxels than this, a contrast's scores are of another part of the brain.
FEW_VOXELS = 0.9


@dataclass
class _Found:
    """What is found contrast by contrast."""

    tables: Tables = field(default_factory=lambda: {"scores": [], "comparisons": [], "people": []})
    averages: dict[str, str] = field(default_factory=dict)
    linear: str = ""
    n_voxels: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, set[str]] = field(default_factory=dict)


def run(settings: EvaluateSettings) -> int:
    """Score every predictor of every contrast, and write tables, matrices, figures and the page.

    Parameters
    ----------
    settings : EvaluateSettings

    Returns
    -------
    int
        0; what cannot be used of a person is told of and left out.

    Raises
    ------
    InputError
        If there is nothing to compare.
    UserError
        If OUT holds something already, has no room, or a predicted dataset has the name of a baseline.
    """
    out = settings.out
    own = next((name for name, _ in settings.predicted if name in (LINEAR, RETEST, "measured")), None)
    if own:
        message = f"--predicted: {own} is the name of something else here; give another (NAME=DATASET)."
        raise UserError(message)
    if out.exists() and any(out.iterdir()) and not settings.overwrite:
        message = f"{out}: is not empty.\nChoose another OUT, or replace what is in it with --overwrite."
        raise UserError(message)
    study = gather(settings)
    out.mkdir(parents=True, exist_ok=True)
    # Those of an evaluation that is replaced may be of other people, in another order.
    for stale in matrix_path(out, "*", "*").parent.glob(matrix_path(out, "*", "*").name):
        stale.unlink()
    with TemporaryDirectory(prefix=".work_", dir=out) as folder:
        found = _score_all(settings, study, Path(folder))
    facts, tables = _facts(settings, study, found), found.tables
    for name, rows in tables.items():
        write_tsv(out / f"{name}.tsv", join_columns(rows))
    about = {"Participants": study.participants, "Seed": settings.seed, "Version": _version()}
    write_json(out / "evaluation.json", {**facts, **about})
    page = write_page(out, facts, study, tables)
    what = f"{len(settings.predicted)} models" if settings.predicted else "baselines alone"
    sys.stdout.write(
        f"{len(study.participants)} people, {len(study.contrasts)} contrasts, {what}.\n"
        f"Tables: {out}\nPage: {page}\n"
    )
    return 0


def _score_all(settings: EvaluateSettings, study: Study, scratch: Path) -> _Found:
    """Go through the contrasts, one at a time."""
    found = _Found()
    linear: NDArray[np.float32] | None = None
    if settings.connectomes:
        rng = np.random.default_rng([settings.seed, 0])
        linear, n_participants = linear_predictions(study, settings.connectomes, rng, scratch)
        found.linear = f"fitted to {n_participants} people of {settings.baseline_train}"
    means = study.bundle.mean_statmaps() if study.bundle else None
    averages = choose_averages(settings, study, means)
    read_measured = study.reader(study.measured, scratch)
    read = {name: study.reader(files, scratch) for name, files in study.predicted.items()}
    if study.retest:
        read[RETEST] = study.reader(study.retest, scratch)
    for number, contrast in enumerate(study.contrasts):
        # A contrast's numbers do not depend on which others are scored with it.
        rng = np.random.default_rng([settings.seed, *contrast.label.encode()])
        sources = study.predicted | ({RETEST: study.retest} if study.retest else {})
        maps = {"measured": read_measured(number)}
        maps |= {name: read[name](number) for name, files in sources.items() if contrast.label in files}
        if linear is not None:
            maps[LINEAR] = linear[number]
        average, whose = averages[number]
        voxels = common_mask(maps, average, study.participants, contrast.label, found.left_out)
        _check_voxels(contrast.label, voxels)
        maps = {name: restrict_in_place(own, voxels) for name, own in maps.items()}
        measured = maps.pop("measured")
        base = LeaveOneOut(measured) if average is None else average[voxels]
        found.averages[contrast.label] = whose
        found.n_voxels[contrast.label] = int(voxels.sum())
        scored = score(measured, predictors(study, contrast.label, maps, base, means, voxels), base, rng)
        _add_rows(found, settings, study, contrast, scored, rng)
        _write_matrices(settings.out, contrast.label, scored)
        logger.info("%s scored (%d of %d contrasts)", contrast.label, number + 1, len(study.contrasts))
    for name in COMPARED:
        rows = [row for row in found.tables["comparisons"] if row["score"] == name]
        for row, adjusted in zip(rows, fdr([row["p"] for row in rows]), strict=True):
            row["p_fdr"] = float(adjusted)
    return found


def _check_voxels(contrast: str, voxels: NDArray[np.bool_]) -> None:
    share = float(voxels.mean())
    if not voxels.any():
        message = (
            f"{contrast}: no voxel has a value in all maps.\nLook at measured and predicted ones: "
            "are they of the whole brain?"
        )
        raise InputError(message)
    if share < FEW_VOXELS:
        logger.warning(
            "%s: only %d of %d voxels (%.0f%%) have a value in all maps, and are scored.",
            contrast,
            int(voxels.sum()),
            len(voxels),
            100 * share,
        )


def _add_rows(
    found: _Found,
    settings: EvaluateSettings,
    study: Study,
    contrast: Contrast,
    scored: Sequence[Scored],
    rng: np.random.Generator,
) -> None:
    """Add a contrast to the tables."""
    least = load_table("outputs.json")["unreliable_below"]
    about = {
        "contrast": contrast.label,
        "unreliable": contrast.retest_r is not None and contrast.retest_r < least,
    }
    for one in scored:
        who = {"predictor": one.name, "role": "baseline" if one.is_baseline else "model"}
        of_voxels = {"n_voxels": found.n_voxels[contrast.label]}
        rows = summarise(one, study.families, rng)
        found.tables["scores"] += [who | about | row | of_voxels for row in rows]
        for number, participant in enumerate(study.participants):
            own = {name: float(values[number]) for name, values in one.by_participant.items()}
            if np.isfinite(own["r"]):
                found.tables["people"].append({"participant_id": f"sub-{participant}"} | who | about | own)
    compared = compare(scored, study.families, rng, n_permutations=settings.n_permutations)
    found.tables["comparisons"] += [about | row for row in compared]


def _write_matrices(out: Path, contrast: str, scored: Sequence[Scored]) -> None:
    """Write people against people, rows measured and columns predicted, of each model."""
    for one in scored:
        if not one.is_baseline and one.matching.matrix is not None:
            save_array(matrix_path(out, one.name, contrast), one.matching.matrix.astype(np.float32))


def _facts(settings: EvaluateSettings, study: Study, found: _Found) -> dict[str, str]:
    """Say what was compared, for the page and beside the tables."""
    n_families = len(np.unique(study.families))
    related = (
        f"{n_families} (column {settings.family_column})"
        if study.has_families
        else "not known: each person counts as not related to the others"
    )
    again = settings.retest or (settings.measured if settings.retest_session else None)
    of_model = f"output mask of {study.bundle.card.name}" if study.bundle else "grey matter"
    n_voxels, few = int(study.mask.sum()), min(found.n_voxels, key=lambda label: found.n_voxels[label])
    if found.n_voxels[few] < n_voxels:
        of_model += (
            f"); those that all maps of a contrast have are scored, {found.n_voxels[few]:,} "
            f"({found.n_voxels[few] / n_voxels:.0%}) at least ({few}"
        )
    left_out = [f"{shown(sorted(names))} ({name})" for name, names in found.left_out.items()]
    facts = {
        "Measured": f"{settings.measured}{_of_session(settings.measured_session)}",
        **{f"Predicted, {name}": str(path) for name, path in settings.predicted},
        "People": f"{len(study.participants)}",
        "Families": related,
        "Contrasts": f"{len(study.contrasts)}",
        "Voxels": f"{n_voxels:,} ({of_model})",
        "Left out of some contrasts, for lack of voxels": "; ".join(left_out),
        "Group average": "; ".join(dict.fromkeys(found.averages.values())),
        "Linear model": found.linear,
        "Retest": f"{again}{_of_session(settings.retest_session)}" if again else "",
        "Sign flips": f"{settings.n_permutations:,}",
    }
    return {name: value for name, value in facts.items() if value}


def _of_session(session: str | None) -> str:
    return f", session {session}" if session else ""


def _version() -> str:
    return version("bids-deeptaskgen")
