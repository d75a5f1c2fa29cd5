"""``deeptaskgen evaluate``: how well predicted maps fit measured ones, beside the baselines."""

import logging
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.names import load_table
from bids_deeptaskgen.bids.outputs import write_tsv
from bids_deeptaskgen.bids.results import join_columns
from bids_deeptaskgen.commands.evaluate_page import matrix_path, write_page
from bids_deeptaskgen.commands.linear_baseline import linear_predictions
from bids_deeptaskgen.commands.study import Files, Study, average_of, gather, made_plainly_by
from bids_deeptaskgen.contrasts import Contrast
from bids_deeptaskgen.core.atomic import atomic_path, write_json
from bids_deeptaskgen.core.calibration import apply_calibration
from bids_deeptaskgen.core.comparison import fdr
from bids_deeptaskgen.core.evaluation import COMPARED, Predictor, Scored, compare, score, summarise
from bids_deeptaskgen.core.scores import LeaveOneOut, Maps
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings import EvaluateSettings

logger = logging.getLogger("bids_deeptaskgen")

GROUP_AVERAGE, LINEAR, RETEST = "group average", "linear model", "retest"
Rows = list[dict[str, Any]]


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
        If OUT holds something already.
    """
    out = settings.out
    if out.exists() and any(out.iterdir()) and not settings.overwrite:
        message = f"{out}: is not empty.\nChoose another OUT, or replace what is in it with --overwrite."
        raise UserError(message)
    study = gather(settings)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".work_", dir=out) as folder:
        tables, averages = _score_all(settings, study, Path(folder))
    facts = _facts(settings, study, averages)
    for name, rows in tables.items():
        write_tsv(out / f"{name}.tsv", join_columns(rows))
    write_json(out / "evaluation.json", {**facts, "Seed": settings.seed, "Version": _version()})
    page = write_page(out, facts, study, tables)
    sys.stdout.write(
        f"{len(study.people)} people, {len(study.contrasts)} contrasts, {len(settings.predicted)} models.\n"
        f"Tables: {out}\nPage: {page}\n"
    )
    return 0


def _score_all(
    settings: EvaluateSettings, study: Study, scratch: Path
) -> tuple[dict[str, Rows], dict[str, str]]:
    """Go through the contrasts, one at a time: the tables, and whose average was the baseline."""
    tables: dict[str, Rows] = {"scores": [], "comparisons": [], "people": []}
    averages: dict[str, str] = {}  # by contrast, and the linear model's
    linear: NDArray[np.float32] | None = None
    if settings.connectomes:
        rng = np.random.default_rng([settings.seed, len(study.contrasts)])
        linear, n_people = linear_predictions(study, settings.connectomes, rng, scratch)
        averages[LINEAR] = f"fitted to {n_people} people of {settings.baseline_train}"
    for number, contrast in enumerate(study.contrasts):
        # A contrast's numbers do not depend on which others are scored with it.
        rng = np.random.default_rng([settings.seed, *contrast.label.encode()])
        measured = study.read(study.measured, contrast.label, scratch)
        average, whose = _average(settings, study, contrast.label, measured)
        averages[contrast.label] = whose
        predictors = _predictors(
            study, contrast.label, average, None if linear is None else linear[number], scratch
        )
        scored = score(measured, predictors, average, rng)
        _add_rows(tables, settings, study, contrast, scored, rng)
        _write_matrices(settings.out, contrast.label, scored)
        logger.info("%s scored (%d of %d contrasts)", contrast.label, number + 1, len(study.contrasts))
    for name in COMPARED:
        rows = [row for row in tables["comparisons"] if row["score"] == name]
        for row, adjusted in zip(rows, fdr([row["p"] for row in rows]), strict=True):
            row["p_fdr"] = float(adjusted)
    return tables, averages


def _average(
    settings: EvaluateSettings, study: Study, contrast: str, measured: Maps
) -> tuple[Maps | LeaveOneOut, str]:
    """Choose the group average: of other people where there are such, else leaving out each person."""
    if study.others:
        found, n_people = average_of(study.others, contrast, study.mask)
        if found is not None:
            return found, f"of {n_people} other people of {settings.baseline_train}"
    means = study.bundle.mean_statmaps() if study.bundle else None
    if study.bundle and means is not None:
        labels = [one.label for one in study.bundle.card.contrasts]
        if contrast in labels:
            return means[
                labels.index(contrast)
            ], f"of the people that {study.bundle.card.name} was trained on"
    return LeaveOneOut(measured), "of the tested people themselves, without the one at hand"


def _predictors(
    study: Study,
    contrast: str,
    average: Maps | LeaveOneOut,
    linear: NDArray[np.float32] | None,
    scratch: Path,
) -> Iterator[Predictor]:
    """Give each predictor in turn; the maps of one of them are in memory."""
    for name, files in study.predicted.items():
        if contrast not in files:
            continue
        maps = study.read(files, contrast, scratch)
        yield Predictor(name, is_baseline=False, maps=maps)
        calibrated = _calibrated(study, contrast, files, maps)
        if calibrated is not None:
            yield Predictor(f"{name}, calibrated", is_baseline=False, maps=calibrated)
    yield Predictor(GROUP_AVERAGE, is_baseline=True, maps=average)
    if linear is not None:
        yield Predictor(LINEAR, is_baseline=True, maps=linear)
    if study.retest and contrast in study.retest:
        yield Predictor(RETEST, is_baseline=True, maps=study.read(study.retest, contrast, scratch))


def _calibrated(
    study: Study, contrast: str, files: Files, maps: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Calibrate predictions in place, if the model that made them knows how."""
    bundle = study.bundle
    if bundle is None or bundle.card.calibration is None or not made_plainly_by(bundle, files[contrast]):
        return None
    number = [one.label for one in bundle.card.contrasts].index(contrast)
    weight, means = np.array([bundle.card.calibration[number]]), bundle.mean_statmaps()
    for row in maps if means is not None else ():
        row[:] = apply_calibration(row[None], means[None, number], weight)[0]
    return maps


def _add_rows(
    tables: dict[str, Rows],
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
        tables["scores"] += [who | about | row for row in summarise(one, study.families, rng)]
        for number, person in enumerate(study.people):
            own = {name: float(values[number]) for name, values in one.by_person.items()}
            if np.isfinite(own["r"]):
                tables["people"].append({"participant_id": f"sub-{person}"} | who | about | own)
    rows = compare(scored, study.families, rng, n_permutations=settings.n_permutations)
    tables["comparisons"] += [about | row for row in rows]


def _write_matrices(out: Path, contrast: str, scored: Sequence[Scored]) -> None:
    """Write people against people, rows measured and columns predicted, of each model."""
    for one in scored:
        if not one.is_baseline and one.matching.matrix is not None:
            with atomic_path(matrix_path(out, one.name, contrast)) as temporary, temporary.open("wb") as file:
                np.save(file, one.matching.matrix.astype(np.float32))


def _facts(settings: EvaluateSettings, study: Study, averages: dict[str, str]) -> dict[str, str]:
    """Say what was compared, for the page and beside the tables."""
    n_families = len(np.unique(study.families))
    people = f"{len(study.people)}"
    related = (
        f"{n_families} (column {settings.family_column})"
        if study.has_families
        else "not known: each person counts as not related to the others"
    )
    again = settings.retest or (settings.measured if settings.retest_session else None)
    session = f", session {settings.measured_session}" if settings.measured_session else ""
    return {
        "Measured": f"{settings.measured}{session}",
        **{f"Predicted, {name}": str(path) for name, path in settings.predicted},
        "People": people,
        "Families": related,
        "Contrasts": f"{len(study.contrasts)}",
        "Voxels": f"{int(study.mask.sum()):,} "
        + (f"(output mask of {study.bundle.card.name})" if study.bundle else "(grey matter)"),
        "Group average": "; ".join(
            dict.fromkeys(whose for name, whose in averages.items() if name != LINEAR)
        ),
        **({"Linear model": averages[LINEAR]} if LINEAR in averages else {}),
        **({"Retest": str(again)} if again else {}),
        "Sign flips": f"{settings.n_permutations:,}",
    }


def _version() -> str:
    return version("bids-deeptaskgen")
