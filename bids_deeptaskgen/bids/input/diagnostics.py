"""Why a session has nothing to predict from, and what to do: words made of file names alone."""

from collections.abc import Iterable

from bids_deeptaskgen.bids.filenames import BidsName, generator_of
from bids_deeptaskgen.bids.input.query import VOLUME, Query, is_series
from bids_deeptaskgen.connectome.template_warp import WARPED_SPACE
from bids_deeptaskgen.data import load_table

# Begins the advice that another fMRIPrep run would help.
RERUN = "re-run fMRIPrep with --output-spaces"
# No space- entity, or the person's own anatomy: fMRIPrep was asked for no template.
_NATIVE = (None, "T1w", "func", "boldref")


def explain_missing(names: list[BidsName], query: Query) -> str:
    """Say what is missing: the first of task, run, volumes, space, desc that the files do not offer.

    Parameters
    ----------
    names : list of BidsName
        All files of a session in which nothing fits the query.
    query : Query

    Returns
    -------
    str
    """
    of_task = [name for name in names if name.get("task") == query.task]
    if not of_task:
        return f"no task-{query.task} (tasks found: {listed(name.get('task') for name in names)})"
    of_run = [name for name in of_task if query.wants_run(name.get("run"))]
    if not of_run:
        asked = ", ".join(f"run-{run}" for run in query.runs)
        return f"no {asked} of task-{query.task} (runs found: {listed(n.get('run') for n in of_task)})"
    allowed = [name for name in of_run if query.allows(name.entities)]
    if not allowed:
        return f"nothing of task-{query.task} passes --bids-filter-file"
    return _why_no_volumes(allowed, query)


def _why_no_volumes(names: list[BidsName], query: Query) -> str:
    wanted = f"no desc-{query.desc} BOLD of task-{query.task} in space-{query.space}"
    series = [name for name in names if is_series(name)]
    spaces = [name.get("space") for name in series if name.get("desc") == query.desc]
    descs = [name.get("desc") for name in series if name.get("space") == query.space]
    if any(space not in _NATIVE for space in spaces):
        return f"{wanted} (spaces found: {listed(space or 'native' for space in spaces)})"
    if any(spaces):
        return f"{wanted} (only native space found: {listed(space or 'native' for space in spaces)})"
    if spaces:
        return f"{wanted} (only native space found)"
    if descs:
        return f"{wanted} (desc found in that space: {listed(descs)})"
    if series:
        return f"{wanted} (desc found in other spaces: {listed(name.get('desc') for name in series)})"
    extensions = [name.extension for name in names if name.suffix == "bold"]
    if any(extension in VOLUME for extension in extensions):
        return f"{wanted} (only single echoes or phase images found)"
    if any(extension.endswith((".gii", ".dtseries.nii")) for extension in extensions):
        return f"{wanted} (only surface or CIFTI series found)"
    return f"{wanted} (no series at all, only what fMRIPrep's --level minimal writes)"


def suggest_fix(names: list[BidsName], query: Query) -> str:
    """Say what to do about a session in which nothing fits a query.

    Parameters
    ----------
    names : list of BidsName
        All of its files.
    query : Query

    Returns
    -------
    str
        Another fMRIPrep run is asked for only where the task is there and its series is not.
    """
    if not any(name.get("task") for name in names):
        return "fMRIPrep's report of this person may say why"
    of_task = [name for name in names if name.get("task") == query.task]
    if not of_task:
        return "name the resting state's task with --task-id"
    if not any(query.wants_run(name.get("run")) for name in of_task):
        return "mend --run-id or leave it out"
    allowed = [name for name in of_task if query.allows(name.entities)]
    if not allowed:
        return "mend it or leave it out"
    return _advice_on_series([name for name in allowed if query.wants_run(name.get("run"))], query)


def _advice_on_series(names: list[BidsName], query: Query) -> str:
    table = load_table("queries.json")
    series = [name for name in names if is_series(name)]
    rerun = f"{RERUN} {table['output_spaces']}"
    maker = generator_of(query.desc)
    if query.desc == table["desc"]:
        # What --level minimal leaves out is made by another run with the same working directory.
        level = "" if any(name.suffix == "bold" for name in names) else " --level full"
        warp = any((name.get("space"), name.get("desc")) == (WARPED_SPACE, query.desc) for name in series)
        opt_in = (
            " (or accept less exact maps with --allow-template-warp)" if warp and not query.fallback else ""
        )
        in_space = {name.get("desc") or "" for name in series if name.get("space") == query.space}
        cleaned = sorted(in_space & set(table["made_by"]))
        instead = f"choose the cleaned series with --desc {cleaned[0]}, or " if cleaned else ""
        return f"{instead}{rerun}{level}{opt_in}"
    title = table["pipelines"][maker]["name"]
    of_desc = [name for name in names if name.get("desc") == query.desc]
    if of_desc and not any(name.extension in VOLUME for name in of_desc):
        return f"re-run {title} with --file-format nifti"
    if of_desc:
        return f"{rerun}, then {title} again"
    return "choose another --desc, or re-run what made these derivatives"


def listed(values: Iterable[str | None]) -> str:
    """Write the values that there are, each once; ``none`` for none."""
    return ", ".join(sorted({value for value in values if value})) or "none"
