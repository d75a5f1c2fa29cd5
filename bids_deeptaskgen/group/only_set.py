"""The only set of maps of a dataset, for exports that cannot tell several sets apart."""

import logging
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.output.results import ResultFault, read_dataset
from bids_deeptaskgen.cohort_store.exports.names import require_names
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.selection import divide_into_sets

logger = logging.getLogger("bids_deeptaskgen")


def choose_only_set(output_dir: Path, task_id: str | None) -> GroupSet:
    """Return the only set of maps of a dataset, of the requested task if there is one.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    task_id : str or None
        Task of the resting-state runs; None for the only one.

    Returns
    -------
    GroupSet

    Raises
    ------
    InputError
        If the dataset has no maps that can be used.
    UserError
        If the dataset lacks the task, or has several sets of maps.
    """
    results, faults = read_dataset(output_dir)
    results = [result for result in results if result.maps.contrasts]
    if not results:
        raise InputError(_explain_nothing(output_dir, faults))
    warn_of_faults(faults)
    sets = divide_into_sets(output_dir, results)
    tasks = sorted({group_set.task for group_set in sets})
    if task_id is not None:
        require_names([task_id], tasks, f"{output_dir}: no task", "task_id")
        sets = [group_set for group_set in sets if group_set.task == task_id]
    if len(sets) > 1:
        names = abbreviate([group_set.name for group_set in sets])
        solution = (
            "Choose one with `task_id`."
            if len(tasks) > 1 and task_id is None
            else "Write the maps of each acquisition, model and settings to a dataset of its own."
        )
        message = f"{output_dir}: has {len(sets)} sets of maps ({names}).\n{solution}"
        raise UserError(message)
    return sets[0]


def warn_of_faults(faults: Sequence[ResultFault]) -> None:
    """Log the participants whose maps cannot be used, with the first reason.

    Parameters
    ----------
    faults : sequence of ResultFault
        Nothing is logged if it is empty.
    """
    if faults:
        labels = sorted({f"sub-{fault.subject}" for fault in faults})
        logger.warning(
            "Maps of %s cannot be used and are left out (%s). The first reason: %s",
            quantity(len(labels), "participant"), abbreviate(labels), faults[0].reason,
        )  # fmt: skip


def _explain_nothing(output_dir: Path, faults: Sequence[ResultFault]) -> str:
    if faults:
        return f"{output_dir}: no map can be used. The first reason: {faults[0].reason}"
    return (
        f"{output_dir}: no finished maps were found.\nRun the participant level with this OUTPUT_DIR first."
    )
