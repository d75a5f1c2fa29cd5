"""The page of the results."""

from collections.abc import Mapping, Sequence

from bids_deeptaskgen.biomarkers.results.methods import MethodsText, join_words
from bids_deeptaskgen.biomarkers.results.notes import list_notes, list_warnings
from bids_deeptaskgen.biomarkers.results.output_files import label_targets
from bids_deeptaskgen.biomarkers.results.page_figures import (
    learning_curve_picture,
    permutation_picture,
    prediction_picture,
    score_picture,
)
from bids_deeptaskgen.biomarkers.results.page_sections import comparison_section, score_section, setup_section
from bids_deeptaskgen.biomarkers.results.score_tables import FoldScores
from bids_deeptaskgen.biomarkers.results.scores import CONFOUNDS, NESTED
from bids_deeptaskgen.biomarkers.results.target_result import Row, TargetResult
from bids_deeptaskgen.biomarkers.results.verdicts import ALPHA, describe_verdicts
from bids_deeptaskgen.report.biomarkers_html import BiomarkersPage, TargetContent
from bids_deeptaskgen.report.biomarkers_layout import Styles, style_features
from bids_deeptaskgen.report.html import format_significant
from bids_deeptaskgen.report.section import Section
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

TITLE = "Prediction of traits"
Tables = Mapping[str, Sequence[Row]]


def build_page(
    results: Sequence[TargetResult],
    settings: BiomarkersSettings,
    tables: Tables,
    fold_scores: Mapping[str, FoldScores],
    facts: Mapping[str, str],
    methods: MethodsText,
) -> BiomarkersPage:
    """Build the content of the page, and draw its figures.

    Parameters
    ----------
    results : sequence of TargetResult
    settings : BiomarkersSettings
    tables : dict of str to sequence of dict
        Rows of ``scores``, ``tests`` and ``comparisons``.
    fold_scores : dict of str to dict
        Scores of the folds of the set-up ``nested`` by target, from `score_setup`.
    facts : dict of str to str
        Description of the data and the analysis.
    methods : MethodsText

    Returns
    -------
    BiomarkersPage
    """
    styles = style_features(list(dict.fromkeys(item.name for result in results for item in result.features)))
    anchors = label_targets([result.problem.target.name for result in results])
    targets = []
    for result in results:
        name = result.problem.target.name
        anchor = f"target-{anchors[name]}"
        rows = [row for row in tables["scores"] if (row["target"], row["setup"]) == (name, NESTED)]
        picture = score_picture(result, rows, fold_scores[name], styles)
        sections = [score_section(result, anchor, rows, tables["tests"], picture)]
        sections.append(_prediction_section(result, anchor, styles))
        permutations = permutation_picture(result, styles)
        if permutations:
            figures = {f"{anchor}_permutations": permutations}
            sections.append(Section(f"{anchor}-permutations", "Permutation test", figures=figures))
        targets.append(
            TargetContent(
                name,
                anchor,
                _describe_target(result),
                describe_verdicts(result, tables["scores"], tables["tests"]),
                sections,
            )
        )
    curves = learning_curve_picture(results, styles)
    all_sections = [
        setup_section(results, tables["scores"], tables["tests"]),
        comparison_section(tables["comparisons"]),
        Section("learning-curves", "Learning curves", figures={"learning_curves": curves})
        if curves
        else None,
    ]
    return BiomarkersPage(
        title=f"{TITLE}: {join_words([target.name for target in targets])}",
        warnings=list_warnings(results),
        facts=facts,
        targets=targets,
        sections=[section for section in all_sections if section],
        notes=list_notes(results, settings),
        methods=methods.paragraphs,
        references=methods.references,
        summary_text=_summary_text(results),
    )


def _prediction_section(result: TargetResult, anchor: str, styles: Styles) -> Section:
    is_continuous = result.problem.target.kind == "continuous"
    heading = "Predicted and measured values" if is_continuous else "ROC curves"
    figures = {f"{anchor}_predictions": prediction_picture(result, styles)}
    return Section(f"{anchor}-predictions", heading, figures=figures)


def _describe_target(result: TargetResult) -> str:
    target, n = result.problem.target, result.problem.n_participants
    if target.kind == "continuous":
        ci_low, ci_high = float(target.values.min()), float(target.values.max())
        return f"{n:,} participants, {format_significant(ci_low, 4)} to {format_significant(ci_high, 4)}"
    counts = [
        f"{level} (n = {int((target.values == number).sum()):,})"
        for number, level in enumerate(target.levels)
    ]
    return f"{n:,} participants: {join_words(counts)}"


def _summary_text(results: Sequence[TargetResult]) -> str:
    has_confounds = results[0].reference_of(NESTED) == CONFOUNDS
    reference = "the confounds alone" if has_confounds else "the mean alone"
    condition = ", and that of the score above the score of the mean alone" if has_confounds else ""
    has_tests = any(len(test.permuted) for result in results for test in result.tests.values())
    test = "no permutation test was made, and "
    if has_tests:
        test = (
            f"p of the permutation test is below {ALPHA} after correction for all targets and feature sets "
            "(FDR), and "
        )
    return (
        f"“Predicts {'beyond the confounds' if has_confounds else 'better than the mean'}”: {test}the 95% "
        f"interval of the gain over {reference} is above 0{condition}. “Worse”: the interval is below 0. "
        "“Not better” does not show that the features hold no information: more participants may show it. "
        "Brackets: 95% intervals."
    )
