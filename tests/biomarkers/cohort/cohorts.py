"""Made-up cohorts: tables on disk, settings, and the problem that they make."""

from pathlib import Path

from bids_deeptaskgen.biomarkers.cohort.problems import make_problem
from bids_deeptaskgen.biomarkers.cohort.selection import gather_cohort
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings, FeatureSource


def labels(n=40):
    """Return the labels 001, 002 ..."""
    return [f"{number:03d}" for number in range(1, n + 1)]


def ages(n=40):
    """Return different numbers as text."""
    return [str(20 + number * 7 % n) for number in range(n)]


def write_table(path, columns, ids=None):
    """Write a TSV; columns of equal length by name, and ids sub-001 ... by default."""
    n = len(next(iter(columns.values())))
    names = ["participant_id", *columns]
    rows = zip(ids or [f"sub-{label}" for label in labels(n)], *columns.values(), strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["\t".join(names), *("\t".join(map(str, row)) for row in rows)]) + "\n")
    return path


def settings_for(folder, **options):
    """Return settings with one target, age, of the table participants.tsv in a folder."""
    defaults = {
        "out": folder / "out",
        "features": (FeatureSource("wm", Path("/store")),),
        "target": ("age",),
        "participants_tsv": folder / "participants.tsv",
        "n_repeats": 2,
    }
    return BiomarkersSettings(**defaults | options)


def problem_of(folder, columns, *, features=None, name="age", **options):
    """Write participants.tsv, and return problem and exclusions of a target."""
    write_table(folder / "participants.tsv", columns)
    settings = settings_for(folder, **options)
    n = len(next(iter(columns.values())))
    cohort = gather_cohort(settings, features or {"wm": labels(n)})
    return make_problem(settings, cohort, name)
