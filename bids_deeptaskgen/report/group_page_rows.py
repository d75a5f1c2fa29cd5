"""Rows of the table of sessions for which a group's page has space."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bids_deeptaskgen.connectome.qc_verdicts import FAIL
from bids_deeptaskgen.report.group_content import GroupContent, GroupSetContent
from bids_deeptaskgen.report.group_page_data import page_cell

# Characters of all rows of a page.
MAX_ROW_CHARACTERS = 3_000_000
# Rows whose length is measured.
_N_MEASURED = 200
_VERDICT = "verdict"


def fit_rows(content: GroupContent) -> GroupContent:
    """Select the rows for which the page has space, and describe the selection.

    Parameters
    ----------
    content : GroupContent

    Returns
    -------
    GroupContent
        Sets with many rows have those with failures and outliers, and a random sample of the others, in their
        order; equal content gives equal rows.
    """
    n_characters = MAX_ROW_CHARACTERS // max(len(content.sets), 1)
    return replace(content, sets=[_fit_set(part, n_characters) for part in content.sets])


def _fit_set(part: GroupSetContent, n_characters: int) -> GroupSetContent:
    n_space = int(n_characters / max(_row_characters(part), 1.0))
    if len(part.rows) <= n_space:
        return part
    places = _choose_places(part, n_space)
    remark = (
        f"This page has space for {len(places):,} of {len(part.rows):,} rows: those with failures and "
        "outliers as far as there is space, and a random sample of the others. The table, the "
        "distributions and their correlations are of these rows. All rows are in "
        f"{part.table or 'the table of quality metrics'}."
    )
    return replace(part, rows=[part.rows[place] for place in places], rows_remark=remark)


def _row_characters(part: GroupSetContent) -> float:
    """Return the mean number of characters of a row, from some of them."""
    rows = part.rows[:: max(len(part.rows) // _N_MEASURED, 1)]
    lengths = [
        len(json.dumps([row.participant, row.name, row.page, *map(page_cell, row.cells)])) for row in rows
    ]
    return float(np.mean(lengths)) if lengths else 0.0


def _choose_places(part: GroupSetContent, n_space: int) -> Sequence[int]:
    """Choose rows with failures first, then outliers from the largest on, then a random sample."""
    verdicts = [number for number, column in enumerate(part.columns) if column.name == _VERDICT]
    failures = [
        place for place, row in enumerate(part.rows) if any(row.cells[number] == FAIL for number in verdicts)
    ]
    places = {row.name: place for place, row in enumerate(part.rows)}
    outliers = [places[outlier.name] for outlier in part.outliers if outlier.name in places]
    sample = np.random.default_rng(0).permutation(len(part.rows)).tolist()
    return sorted(list(dict.fromkeys([*failures, *outliers, *sample]))[:n_space])
