"""Predicted maps of a cohort store: their linear kernel, read in blocks of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bids_deeptaskgen.biomarkers.features.map_kernels import MapReader
from bids_deeptaskgen.biomarkers.features.reader import Selection, require_participants
from bids_deeptaskgen.biomarkers.features.row_groups import (
    RowGroups,
    Sessions,
    average_participants,
    group_rows,
    parse_labels,
    select_rows,
)
from bids_deeptaskgen.cohort_store.exports.names import require_names
from bids_deeptaskgen.cohort_store.store.reader import CohortStore, open_store
from bids_deeptaskgen.models.contrasts import Contrast, contrast_spellings, find_contrast
from bids_deeptaskgen.settings.biomarkers import FeatureSource
from bids_deeptaskgen.stats.linear_kernel import MAX_BYTES, Floats, ReadRows

# Rows that are read at once if participants have several.
_MAX_ROWS = 128


def group_store_rows(store: CohortStore, source: FeatureSource, selection: Selection) -> RowGroups:
    """Group the rows of the selected participants of a store.

    Parameters
    ----------
    store : CohortStore
    source : FeatureSource
    selection : Selection

    Returns
    -------
    RowGroups

    Raises
    ------
    UserError
        If the selection leaves no participant.
    """
    groups = group_rows([parse_labels(*labels) for labels in store.row_labels], selection.session)
    return groups.restrict(selection.select(groups.participants, source))


@dataclass(frozen=True, kw_only=True)
class StoreMaps(MapReader):
    """Maps of a cohort store.

    Attributes
    ----------
    store : CohortStore
    sessions : dict of str to dict of str to tuple of tuple of int
        Usable rows by contrast and participant.
    """

    store: CohortStore
    sessions: Mapping[str, Mapping[str, Sessions]]

    def _row_readers(self, labels: Sequence[str]) -> dict[str, ReadRows]:
        return {
            contrast: partial(self._read_rows, contrast, [sessions[label] for label in labels])
            for contrast, sessions in self.sessions.items()
        }

    def _read_rows(self, contrast: str, groups: Sequence[Sessions], start: int, stop: int) -> Floats:
        """Read the maps of some participants, averaged over runs and sessions."""
        groups = groups[start:stop]
        numbers = [[row for rows in sessions for row in rows] for sessions in groups]
        if all(len(rows) == 1 for rows in numbers):
            return self.store.maps(contrast, [row for rows in numbers for row in rows])
        maps = np.empty((len(groups), self.store.description.n_voxels), np.float32)
        first = 0
        while first < len(groups):
            last, n_rows = first + 1, len(numbers[first])
            while last < len(groups) and n_rows + len(numbers[last]) <= _MAX_ROWS:
                n_rows += len(numbers[last])
                last += 1
            values = self.store.maps(contrast, [row for rows in numbers[first:last] for row in rows])
            maps[first:last] = average_participants(values, groups[first:last])
            first = last
        return maps


def open_store_maps(source: FeatureSource, selection: Selection, *, max_bytes: int = MAX_BYTES) -> StoreMaps:
    """Find the participants with maps of all contrasts of a source.

    Parameters
    ----------
    source : FeatureSource
        Its parts are contrasts; empty for all.
    selection : Selection
    max_bytes : int
        Memory for maps.

    Returns
    -------
    StoreMaps

    Raises
    ------
    UserError
        If the store lacks a contrast, or the selection leaves no participant.
    InputError
        If the store is incomplete, or no participant has maps of all contrasts.
    """
    store = open_store(source.path)
    contrasts = choose_contrasts(store.contrasts, source)
    groups = group_store_rows(store, source, selection)
    reasons = dict(groups.reasons)
    usable: dict[str, dict[str, Sessions]] = {contrast: {} for contrast in contrasts}
    for contrast in contrasts:
        has_map = ~store.is_missing[:, store.contrasts.index(contrast)]
        for label, sessions in groups.sessions.items():
            rows = select_rows(sessions, has_map)
            if rows:
                usable[contrast][label] = rows
            else:
                reasons.setdefault(label, f"no map of {contrast}")
    participants = tuple(label for label in groups.sessions if label not in reasons)
    require_participants(source, participants, reasons)
    return StoreMaps(
        name=source.name,
        participants=participants,
        reasons=reasons,
        notes=groups.notes(selection.session),
        is_predicted=True,
        source=source,
        store=store,
        sessions=usable,
        max_bytes=max_bytes,
    )


def choose_contrasts(available: Sequence[str], source: FeatureSource) -> tuple[str, ...]:
    """Find the contrasts of a source by label, in any spelling.

    Parameters
    ----------
    available : sequence of str
        Labels of the store or table.
    source : FeatureSource

    Returns
    -------
    tuple of str
        In the order of the parts; all without parts.

    Raises
    ------
    UserError
        If there is no such contrast.
    """
    spellings = contrast_spellings([Contrast(label, label, "") for label in available])
    labels = [part if part in available else find_contrast(spellings, part) or part for part in source.parts]
    require_names(labels, available, f"`features` {source.name}: {source.path} has no contrast", "features")
    return tuple(dict.fromkeys(labels)) or tuple(available)
