"""Description of an evaluation: datasets, participants, voxels, baselines."""

import numpy as np

from bids_deeptaskgen.errors import abbreviate
from bids_deeptaskgen.evaluation.score_contrasts import Results
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.settings.evaluation import EvaluateSettings


def describe_evaluation(settings: EvaluateSettings, study: Study, results: Results) -> dict[str, str]:
    """Describe the compared maps, for the report and evaluation.json.

    Parameters
    ----------
    settings : EvaluateSettings
    study : Study
    results : Results

    Returns
    -------
    dict of str to str
        Text by heading; without empty texts.
    """
    n_families = len(np.unique(study.families))
    families = (
        f"{n_families} (column {settings.family_column})"
        if study.has_families
        else "unknown: participants are assumed to be unrelated"
    )
    retest = settings.retest or (settings.measured if settings.retest_session else None)
    mask = f"output mask of {study.bundle.card.name}" if study.bundle else "grey matter"
    n_voxels = int(study.mask.sum())
    voxels = f"{n_voxels:,} ({mask})"
    smallest = min(results.n_voxels, key=lambda label: results.n_voxels[label])
    if results.n_voxels[smallest] < n_voxels:
        n_scored = results.n_voxels[smallest]
        voxels += (
            "; of these, voxels that all maps of a contrast have are scored: at least "
            f"{n_scored:,} ({n_scored / n_voxels:.0%}; {smallest})"
        )
    unusable = [f"{abbreviate(sorted(names))} ({name})" for name, names in results.unusable.items()]
    copies = [f"{abbreviate(sorted(names))} ({name})" for name, names in results.copies.items()]
    left_out = [f"{abbreviate(sorted(names))} ({name})" for name, names in results.left_out.items()]
    facts = {
        "Measured": f"{settings.measured}{_of_session(settings.measured_session)}",
        **{f"Predicted, {name}": str(path) for name, path in settings.predicted},
        "Number of participants": f"{len(study.participants)}",
        "Families": families,
        "Contrasts": f"{len(results.n_voxels)}",
        "Voxels": voxels,
        "Left out of some contrasts, for lack of voxels": "; ".join(left_out),
        "Left out of some contrasts: maps that cannot be used": "; ".join(unusable),
        "Warning: maps that are the measured maps themselves": "; ".join(copies),
        "Group average": "; ".join(dict.fromkeys(results.averages.values())),
        "Linear model": results.linear,
        "Ridge model": results.ridge,
        "Retest": f"{retest}{_of_session(settings.retest_session)}" if retest else "",
        "Halves": "; ".join(str(path) for path in settings.halves),
        "Atlases": "; ".join(f"{label}: {source}" for label, source in results.atlases.items()),
        "Sign flips": f"{settings.n_permutations:,}",
    }
    return {name: value for name, value in facts.items() if value}


def _of_session(session: str | None) -> str:
    return f", session {session}" if session else ""
