"""Colours and markers of predictors, which are equal in all figures of a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from bids_deeptaskgen.report.figures.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION

# Models have colours and baselines are grey.
MODEL_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
BASELINE_COLOURS = ("#000000", "#7d7d7d", "#a08c5a", "#6b5b4b")
MODEL_MARKERS, BASELINE_MARKERS = "ospDv", "|x+1"


def predictor_styles(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Choose a colour and a marker for each predictor: coloured models, grey baselines.

    Parameters
    ----------
    rows : sequence of dict
        Rows of a table, with ``predictor`` and ``role``.

    Returns
    -------
    dict of str to dict
        ``colour`` and ``marker`` by predictor.
    """
    roles = {row["predictor"]: row["role"] for row in rows}
    styles = {}
    for role, colours, markers in (
        ("model", MODEL_COLOURS, MODEL_MARKERS),
        ("baseline", BASELINE_COLOURS, BASELINE_MARKERS),
    ):
        for number, name in enumerate(name for name, name_role in roles.items() if name_role == role):
            # Markers shift by one with each cycle of colours, so that all combinations differ.
            n_cycles, place = divmod(number, len(colours))
            styles[name] = {"colour": colours[place], "marker": markers[(place + n_cycles) % len(markers)]}
    return styles
