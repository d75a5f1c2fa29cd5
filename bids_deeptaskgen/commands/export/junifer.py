"""``deeptaskgen export junifer``: write a junifer pipeline for the predicted maps."""

import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.output.output_mask import find_output_mask
from bids_deeptaskgen.bids.output.results import ResultFault, read_dataset
from bids_deeptaskgen.cohort_store.exports.junifer_definition import make_definitions
from bids_deeptaskgen.cohort_store.exports.junifer_files import check_folder, write_definitions
from bids_deeptaskgen.cohort_store.exports.junifer_parcellation import choose_parcellation
from bids_deeptaskgen.cohort_store.exports.names import require_names
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.selection import divide_into_sets
from bids_deeptaskgen.settings.export import ExportJuniferSettings
from bids_deeptaskgen.settings.flags import with_flags

logger = logging.getLogger("bids_deeptaskgen")


def run(settings: ExportJuniferSettings) -> int:
    """Write a junifer pipeline, and print the command that runs it.

    Parameters
    ----------
    settings : ExportJuniferSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    InputError
        If the dataset has no maps that can be used, or 4-D images of different contrasts.
    UserError
        If the dataset has several sets of maps, or lacks the task or a contrast, or a pipeline exists.
    """
    folder, dataset = settings.out.absolute(), settings.output_dir.absolute()
    check_folder(folder, overwrite=settings.overwrite)
    group_set = _choose_set(settings)
    require_names(
        settings.contrasts, group_set.contrasts, f"{dataset}: the maps have no contrast", "contrasts"
    )
    definitions = make_definitions(group_set.results, settings.contrasts)
    parcellation = choose_parcellation(dataset, settings.parcellation)
    files = write_definitions(
        folder, dataset, definitions, _find_mask(settings.output_dir, group_set), parcellation
    )
    if parcellation.path is None:
        logger.info(
            "junifer downloads the parcellation %s at the first use, unless it has it.", parcellation.name
        )
    for definition, (pipeline, elements) in zip(definitions, files, strict=True):
        n_maps = quantity(len(definition.elements), "element")
        sys.stdout.write(
            f"{pipeline}: {n_maps} ({', '.join(definition.keys)}); run it in an environment with junifer:\n"
            f"  junifer run {shlex.quote(str(pipeline))} --element {shlex.quote(str(elements))}\n"
            f"  junifer collect {shlex.quote(str(pipeline))}\n"
        )
    return 0


def _choose_set(settings: ExportJuniferSettings) -> GroupSet:
    """Return the only set of maps, of the requested task if there is one."""
    results, faults = read_dataset(settings.output_dir)
    results = [result for result in results if result.maps.contrasts]
    if not results:
        raise InputError(_explain_nothing(settings.output_dir, faults))
    if faults:
        labels = sorted({f"sub-{fault.subject}" for fault in faults})
        logger.warning(
            "Maps of %s cannot be used and are left out (%s). The first reason: %s",
            quantity(len(labels), "participant"), abbreviate(labels), faults[0].reason,
        )  # fmt: skip
    sets = divide_into_sets(settings.output_dir, results)
    tasks = sorted({group_set.task for group_set in sets})
    if settings.task_id is not None:
        require_names([settings.task_id], tasks, f"{settings.output_dir}: no task", "task_id")
        sets = [group_set for group_set in sets if group_set.task == settings.task_id]
    if len(sets) > 1:
        names = abbreviate([group_set.name for group_set in sets])
        solution = (
            "Choose one with `task_id`."
            if len(tasks) > 1 and settings.task_id is None
            else "Write the maps of each acquisition, model and settings to a dataset of its own."
        )
        message = f"{settings.output_dir}: has {len(sets)} sets of maps ({names}).\n{solution}"
        raise UserError(message)
    return sets[0]


def _explain_nothing(output_dir: Path, faults: Sequence[ResultFault]) -> str:
    if faults:
        return f"{output_dir}: no map can be used. The first reason: {faults[0].reason}"
    return (
        f"{output_dir}: no finished maps were found.\nRun the participant level with this OUTPUT_DIR first."
    )


def _find_mask(output_dir: Path, group_set: GroupSet) -> str | None:
    """Return the path of the mask of the maps in the dataset; log if there is no certain one."""
    try:
        return find_output_mask(output_dir, group_set.provenance).relative_to(output_dir).as_posix()
    except InputError as error:
        logger.warning(
            "%s\nUntil then, the example includes voxels without a value, which are 0.",
            with_flags(str(error)),
        )
    return None
