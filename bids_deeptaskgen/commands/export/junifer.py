"""``deeptaskgen export junifer``: write a junifer pipeline for the predicted maps."""

import logging
import shlex
import sys
from pathlib import Path

from bids_deeptaskgen.bids.output.output_mask import find_output_mask
from bids_deeptaskgen.cohort_store.exports.junifer_definition import make_definitions
from bids_deeptaskgen.cohort_store.exports.junifer_files import check_folder, write_definitions
from bids_deeptaskgen.cohort_store.exports.junifer_parcellation import choose_parcellation
from bids_deeptaskgen.cohort_store.exports.names import require_names
from bids_deeptaskgen.errors import InputError, quantity
from bids_deeptaskgen.group.group_set import GroupSet
from bids_deeptaskgen.group.only_set import choose_only_set
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
    group_set = choose_only_set(settings.output_dir, settings.task_id)
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
