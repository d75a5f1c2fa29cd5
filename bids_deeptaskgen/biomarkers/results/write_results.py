"""Writes tables, figures, the page, the methods text and the description of an analysis."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_deeptaskgen.biomarkers.results.comparisons import comparison_rows
from bids_deeptaskgen.biomarkers.results.facts import describe_analysis, describe_run
from bids_deeptaskgen.biomarkers.results.methods import write_methods
from bids_deeptaskgen.biomarkers.results.output_files import biomarkers_path, label_targets
from bids_deeptaskgen.biomarkers.results.page import build_page
from bids_deeptaskgen.biomarkers.results.score_tables import (
    fold_score_rows,
    penalty_rows,
    permutation_rows,
    prediction_rows,
    score_rows,
    score_setup,
)
from bids_deeptaskgen.biomarkers.results.scores import NESTED
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.biomarkers.splits import write_folds
from bids_deeptaskgen.io.atomic import write_bytes, write_json, write_text
from bids_deeptaskgen.io.tsv import join_columns, write_tsv
from bids_deeptaskgen.report.biomarkers_html import render
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings


def write_results(
    out: Path,
    results: Sequence[TargetResult],
    settings: BiomarkersSettings,
    excluded: Sequence[Row] = (),
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write all results to a folder.

    Parameters
    ----------
    out : Path
        Folder, without results of an earlier analysis; see `output_files.replace_results`.
    results : sequence of TargetResult
        At least one.
    settings : BiomarkersSettings
    excluded : sequence of dict
        Rows of ``excluded.tsv``: ``target``, ``participant_id``, ``reason``.
    facts : dict of str to str, optional
        Further facts by heading, such as the sources of the data; they replace those of the same heading.

    Returns
    -------
    Path
        The page.
    """
    setups = [(result, setup, score_setup(result, setup)) for result in results for setup in result.setups]
    tables = {
        "scores": [row for setup in setups for row in score_rows(*setup)],
        "fold_scores": [row for setup in setups for row in fold_score_rows(*setup)],
        "tests": permutation_rows(results),
        "comparisons": comparison_rows(setups),
        "learning_curve": [row for result in results for row in result.learning_curve],
        "penalties": [row for result in results for row in penalty_rows(result)],
        "excluded": list(excluded),
    }
    for name, rows in tables.items():
        if rows:
            write_tsv(biomarkers_path(out, name), join_columns(rows))
    for target, label in label_targets([result.problem.target.name for result in results]).items():
        result = next(item for item in results if item.problem.target.name == target)
        rows = prediction_rows(result)
        write_tsv(biomarkers_path(out, "predictions", target=label), join_columns(rows))
        write_folds(biomarkers_path(out, "folds", target=label), result.problem)
    methods = write_methods(results, settings)
    write_text(biomarkers_path(out, "methods"), methods.as_markdown())
    all_facts = describe_analysis(results, settings, excluded) | dict(facts or {})
    write_json(biomarkers_path(out, "facts"), describe_run(results, settings, all_facts))
    fold_scores = {result.problem.target.name: scores for result, setup, scores in setups if setup == NESTED}
    content = build_page(results, settings, tables, fold_scores, all_facts, methods)
    sections = [*(section for target in content.targets for section in target.sections), *content.sections]
    for name, picture in ((name, figure) for section in sections for name, figure in section.figures.items()):
        write_bytes(biomarkers_path(out, "figure", name=name), picture.image)
    page = biomarkers_path(out, "page")
    write_text(page, render(content))
    return page
