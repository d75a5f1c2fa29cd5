"""Explanations for sessions without a matching BOLD series, and remedies, from file names alone."""

from collections.abc import Iterable
from dataclasses import replace

from bids_deeptaskgen.bids.filenames import BidsName, generator_of
from bids_deeptaskgen.bids.input.query import VOLUME, Query, fits, is_series
from bids_deeptaskgen.connectome.template_warp import WARPED_SPACE
from bids_deeptaskgen.data import load_table

# Start of the advice that another fMRIPrep run would help, and its continuation if that run is in the input
# of another pipeline: then its output folder is not the one that is read.
RERUN = "re-run fMRIPrep with --output-spaces"
CONTINUATION = ", then "
# No space- entity, or the participant's anatomy: fMRIPrep ran without a template.
_NATIVE_SPACES = (None, "T1w", "func", "boldref")


def explain_missing(names: list[BidsName], query: Query) -> str:
    """Describe the first criterion that no file meets, of task, run, filters, and space and desc.

    Parameters
    ----------
    names : list of BidsName
        All files of a session without a match for the query.
    query : Query

    Returns
    -------
    str
    """
    of_task = [name for name in names if name.get("task") == query.task]
    if not of_task:
        return f"no task-{query.task} (tasks found: {format_values(name.get('task') for name in names)})"
    of_run = [name for name in of_task if query.wants_run(name.get("run"))]
    if not of_run:
        requested_runs = ", ".join(f"run-{run}" for run in query.runs)
        run_labels = format_values(name.get("run") for name in of_task)
        return f"no {requested_runs} of task-{query.task} (runs found: {run_labels})"
    candidates = [name for name in of_run if query.allows(name.entities)]
    if not candidates:
        return f"nothing of task-{query.task} passes `bids_filter_file` ({_describe_filtered(of_run, query)})"
    return _explain_no_series(candidates, query)


def is_deselected(names: list[BidsName], query: Query) -> bool:
    """Return whether a session without a match has series that only the runs or filters of a query exclude.

    Parameters
    ----------
    names : list of BidsName
        All files of the session.
    query : Query

    Returns
    -------
    bool
        False if the query selects neither runs nor entities.
    """
    if not query.runs and not query.filters:
        return False
    every_run = replace(query, runs=(), filters=())
    return any(fits(name, every_run) for name in names) and not any(fits(name, query) for name in names)


def _describe_filtered(names: list[BidsName], query: Query) -> str:
    values = (
        f"{key}: {format_values(name.get(key) or 'none' for name in names)}"
        for key, _ in query.filters
        if key not in ("ses", "task")
    )
    return "; ".join(values)


def _explain_no_series(names: list[BidsName], query: Query) -> str:
    problem = f"no desc-{query.desc} BOLD of task-{query.task} in space-{query.space}"
    series = [name for name in names if is_series(name)]
    if series and all(name.get("setting") for name in series):
        return f"{problem} (only series of HALFpipe found, whose names do not state their space)"
    spaces = [name.get("space") for name in series if name.get("desc") == query.desc]
    descs = [name.get("desc") for name in series if name.get("space") == query.space]
    if any(space not in _NATIVE_SPACES for space in spaces):
        return f"{problem} (spaces found: {format_values(space or 'native' for space in spaces)})"
    if any(spaces):
        return f"{problem} (only native space found: {format_values(space or 'native' for space in spaces)})"
    if spaces:
        return f"{problem} (only native space found)"
    if descs:
        return f"{problem} (desc found in that space: {format_values(descs)})"
    if series:
        return f"{problem} (desc found in other spaces: {format_values(name.get('desc') for name in series)})"
    extensions = [name.extension for name in names if name.suffix == "bold"]
    if any(name.get("echo") for name in names if name.extension in VOLUME):
        return f"{problem} (single echoes only: no optimal combination)"
    if any(extension in VOLUME for extension in extensions):
        return f"{problem} (only phase images found)"
    if any(extension.endswith((".gii", ".dtseries.nii")) for extension in extensions):
        return f"{problem} (only surface or CIFTI series found)"
    if is_minimal(names):
        return f"{problem} (no series at all, only what fMRIPrep's --level minimal writes)"
    suffixes = format_values(name.suffix for name in names)
    return f"{problem} (no series at all, only files that end in: {suffixes})"


def is_minimal(names: Iterable[BidsName]) -> bool:
    """Return whether a session has files that fMRIPrep writes before it resamples a series.

    Parameters
    ----------
    names : iterable of BidsName
    """
    return any(name.suffix in ("bold", "boldref", "mask", "xfm") for name in names)


def suggest_fix(names: list[BidsName], query: Query) -> str:
    """Suggest a remedy for a session without a match for the query.

    Parameters
    ----------
    names : list of BidsName
        All files of the session.
    query : Query

    Returns
    -------
    str
        It suggests another fMRIPrep run only if the task exists and its series does not.
    """
    if not any(name.get("task") for name in names):
        return "see fMRIPrep's report of this participant"
    of_task = [name for name in names if name.get("task") == query.task]
    if not of_task and any(name.get("task") in query.other_tasks for name in names):
        return "exclude this participant, or omit that task from `task_id`"
    if not of_task:
        return "name the resting state's task with `task_id`"
    if not any(query.wants_run(name.get("run")) for name in of_task):
        return "correct or remove `run_id`"
    candidates = [name for name in of_task if query.allows(name.entities)]
    if not candidates:
        return "correct or remove this option"
    return _suggest_series([name for name in candidates if query.wants_run(name.get("run"))], query)


def _suggest_series(names: list[BidsName], query: Query) -> str:
    table = load_table("queries.json")
    series = [name for name in names if is_series(name)]
    rerun = f"{RERUN} {table['output_spaces']}"
    if query.desc == table["desc"]:
        return _suggest_preprocessed(names, series, query, rerun)
    title = table["pipelines"][generator_of(query.desc)]["name"]
    of_desc = [name for name in names if name.get("desc") == query.desc]
    if of_desc and not any(name.extension in VOLUME for name in of_desc):
        return f"re-run {title} with --file-format nifti"
    if of_desc:
        return f"{rerun}{CONTINUATION}{title} again"
    return "choose another `desc`, or re-run the pipeline that wrote these derivatives"


def _suggest_preprocessed(names: list[BidsName], series: list[BidsName], query: Query, rerun: str) -> str:
    """Suggest a remedy for a session without fMRIPrep's series."""
    table = load_table("queries.json")
    if series and all(name.get("setting") for name in series):
        return "name the folder derivatives/fmriprep of the same HALFpipe output"
    if not series and any(name.get("echo") for name in names if name.suffix == "bold"):
        return (
            "re-run fMRIPrep with all echoes of the run (without --echo-idx), so that it combines them; see "
            "its report of this participant"
        )
    if not is_minimal(names):
        return "name the folder that fMRIPrep wrote, or see its report of this participant"
    in_space = {name.get("desc") or "" for name in series if name.get("space") == query.space}
    denoised_descs = sorted(in_space & set(table["made_by"]))
    elsewhere = {name.get("desc") or "" for name in series} - in_space
    generators = {generator_of(desc) for desc in denoised_descs or sorted(elsewhere & set(table["made_by"]))}
    has_preprocessed = any(name.get("desc") == table["desc"] for name in series)
    if generators and generators != {"fmriprep"} and not has_preprocessed:
        # The folder is not fMRIPrep's: its series come from another pipeline.
        if denoised_descs:
            return f"choose the cleaned series with `desc` {denoised_descs[0]}"
        title = table["pipelines"][sorted(generators - {"fmriprep"})[0]]["name"]
        return f"{rerun}{CONTINUATION}{title} again, and choose its series with `desc` {sorted(elsewhere)[0]}"
    # After --level minimal, a run with the same working directory writes the remaining files.
    level = "" if any(name.suffix == "bold" for name in names) else " --level full"
    can_warp = any((name.get("space"), name.get("desc")) == (WARPED_SPACE, query.desc) for name in series)
    warp_option = (
        " (or accept less exact maps with `allow_template_warp`)" if can_warp and not query.fallback else ""
    )
    alternative = f"choose the cleaned series with `desc` {denoised_descs[0]}, or " if denoised_descs else ""
    return f"{alternative}{rerun}{level}{warp_option}"


def format_values(values: Iterable[str | None]) -> str:
    """Join the distinct values that are not empty, sorted; ``none`` if there are none.

    Parameters
    ----------
    values : iterable of (str or None)

    Returns
    -------
    str

    Examples
    --------
    >>> format_values(["rest", None, "faces", "rest"])
    'faces, rest'
    """
    return ", ".join(sorted({value for value in values if value})) or "none"
