"""ROI x ROI connectomes of a cohort store as a table: one column for each pair of ROIs.

The values are Pearson r as stored, without Fisher's z transformation: up to r = 0.5, z is nearly proportional
to r, so linear models of standardised columns hardly change.
"""

import numpy as np

from bids_deeptaskgen.bids.output.roi_connectome import roi_names
from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.row_groups import Sessions, average_participants, select_rows
from bids_deeptaskgen.biomarkers.features.store_maps import group_store_rows
from bids_deeptaskgen.biomarkers.features.tables import TableReader, make_table_reader
from bids_deeptaskgen.cohort_store.store.reader import CohortStore, open_store
from bids_deeptaskgen.errors import UserError, quantity
from bids_deeptaskgen.settings.biomarkers import CONNECTOME, FeatureSource
from bids_deeptaskgen.stats.linear_kernel import Floats

# Bytes of connectomes that are read at once.
_MAX_BYTES = 200_000_000


def open_roi_connectomes(source: FeatureSource, selection: Selection) -> TableReader:
    """Read the upper triangles of the ROI x ROI connectomes of a store.

    Parameters
    ----------
    source : FeatureSource
        Its only part is ``connectome``.
    selection : Selection

    Returns
    -------
    TableReader
        A column such as ``ROI1-ROI2`` for each pair of ROIs; means over runs and sessions.

    Raises
    ------
    UserError
        If the store has no ROI connectomes, or the selection leaves no participant.
    InputError
        If the store is incomplete or damaged, or no participant has a connectome.
    """
    store = open_store(source.path)
    if not store.description.n_rois:
        message = (
            f"`features` {source.name}: {source.path} has no ROI connectomes; its maps were packed without.\n"
            f"Omit the part {CONNECTOME}, or pack the store again from a dataset with ROI connectomes."
        )
        raise UserError(message)
    groups = group_store_rows(store, source, selection)
    reasons = dict(groups.reasons)
    usable: dict[str, Sessions] = {}
    has_connectome = ~store.lacks_roi_connectome
    for label, sessions in groups.sessions.items():
        if selected := select_rows(sessions, has_connectome):
            usable[label] = selected
        else:
            reasons[label] = "no ROI connectome"
    names = roi_names(store.description.n_rois)
    rows, columns = np.triu_indices(len(names), 1)
    return make_table_reader(
        source,
        list(usable),
        [f"{names[i]}-{names[j]}" for i, j in zip(rows, columns, strict=True)],
        _read_edges(store, list(usable.values())),
        reasons=reasons,
        notes=groups.notes(selection.session),
        description=f"ROI x ROI connectome (Pearson r), {quantity(len(rows), 'edge')}, of {source.path}",
    )


def _read_edges(store: CohortStore, groups: list[Sessions]) -> Floats:
    """Read the upper triangles of participants, averaged over runs and sessions."""
    n_rois = store.description.n_rois
    edges = np.triu_indices(n_rois, 1)
    values = np.empty((len(groups), len(edges[0])), np.float32)
    max_rows = max(1, _MAX_BYTES // (4 * n_rois**2))
    n_participants = max(1, max_rows // max((sum(map(len, rows)) for rows in groups), default=1))
    for start in range(0, len(groups), n_participants):
        block = groups[start : start + n_participants]
        numbers = [row for sessions in block for rows in sessions for row in rows]
        triangles = store.roi_connectomes(numbers)[:, edges[0], edges[1]]
        values[start : start + len(block)] = average_participants(triangles, block)
    return values
