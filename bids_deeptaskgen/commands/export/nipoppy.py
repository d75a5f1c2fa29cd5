"""``deeptaskgen export nipoppy``: write imaging-derived phenotypes as Nipoppy stores them."""

import sys

from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.output_mask import read_output_mask
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.results import ResultFault
from bids_deeptaskgen.cohort_store.atlases.sources import load_atlases
from bids_deeptaskgen.cohort_store.exports.names import require_names
from bids_deeptaskgen.cohort_store.exports.nipoppy_tables import (
    MapSource,
    check_tables,
    quality_table_path,
    region_table_path,
    write_quality_table,
    write_region_tables,
)
from bids_deeptaskgen.errors import InputError, abbreviate, quantity
from bids_deeptaskgen.group.only_set import choose_only_set, warn_of_faults
from bids_deeptaskgen.group.selection import restrict_contrasts
from bids_deeptaskgen.settings.export import ExportNipoppySettings


def run(settings: ExportNipoppySettings) -> int:
    """Write the means of the maps in the regions of atlases, and the quality metrics, of each session.

    Parameters
    ----------
    settings : ExportNipoppySettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    InputError
        If the dataset has no maps that can be used, or no parcels and no atlas is given, or an atlas cannot
        be used.
    UserError
        If the dataset has several sets of maps, or lacks the task or a contrast, or a table exists.
    """
    folder, dataset = settings.out.absolute(), settings.output_dir
    group_set = choose_only_set(dataset, settings.task_id)
    problem = f"{dataset}: the maps have no contrast"
    require_names(settings.contrasts, group_set.contrasts, problem, "contrasts")
    contrasts = restrict_contrasts(group_set, settings.contrasts)
    mask = read_output_mask(dataset, group_set.provenance)
    atlases = load_atlases(settings.atlas or [_parcels(settings)], mask)
    series = group_set.series
    check_tables(
        [
            quality_table_path(folder, series),
            *(region_table_path(folder, series, atlas) for atlas in atlases),
        ],
        overwrite=settings.overwrite,
    )
    units = [contrast_of(dataset, group_set.results, label)[1] for label in contrasts]
    source = MapSource(dataset, group_set.results, series, contrasts, units, mask)
    faults: list[ResultFault] = []
    tables = write_region_tables(folder, source, atlases, faults)
    quality = write_quality_table(folder, source)
    warn_of_faults(faults)
    for (path, n_rows), atlas in zip(tables.items(), atlases, strict=True):
        n_columns = quantity(len(contrasts) * len(atlas.numbers), "phenotype")
        sys.stdout.write(f"{path}: {quantity(n_rows, 'session')}, {n_columns}\n")
    sys.stdout.write(f"{quality}: quality of the resting-state fMRI\n")
    return 0


def _parcels(settings: ExportNipoppySettings) -> str:
    """Return the path of the parcels of the model's ROI maps in the dataset."""
    pattern = output_path(settings.output_dir, "roi_parcels", seg="*")
    images = sorted(pattern.parent.glob(pattern.name))
    if len(images) != 1:
        problem = (
            f"has parcels of {len(images)} models ({abbreviate([path.name for path in images])})"
            if images
            else "has no parcels of the model's ROI maps"
        )
        message = f"{settings.output_dir}: {problem}.\nChoose the regions with `atlas`."
        raise InputError(message)
    return str(images[0])
