"""Sections of the page of an evaluation, one for each further table."""

from collections.abc import Callable
from typing import Any

from bids_deeptaskgen.evaluation.further_sections import quality_section, roi_section
from bids_deeptaskgen.evaluation.study import Study
from bids_deeptaskgen.report.evaluation_html import Section

# Rows of each table, by the name of its file without `.tsv`.
Tables = dict[str, list[dict[str, Any]]]

# Each function returns a section of the page, or None if the evaluation lacks its table.
SECTIONS: tuple[Callable[[Study, Tables], Section | None], ...] = (roi_section, quality_section)

# Tables that not every evaluation has. Those of a replaced evaluation are removed.
OPTIONAL_TABLES: tuple[str, ...] = ("across_participants", "roi_scores", "quality", "participant_quality")
