import json
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import trapezoid

from bids_deeptaskgen.biomarkers.results.metrics import SCORES, Score, correlate
from bids_deeptaskgen.biomarkers.results.output_files import biomarkers_path, replace_results
from bids_deeptaskgen.biomarkers.results.page_figures import average_roc
from bids_deeptaskgen.biomarkers.results.scores import NESTED, score_folds
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.marked_folder import mark_folder
from bids_deeptaskgen.io.tsv import read_tsv
from tests.biomarkers.made_results import (
    SIGNALS,
    make_predictions,
    make_problem,
    make_result,
    write_made_results,
)
from tests.report.parsed_page import HOSTILE, Page, check_identifiers

EXCLUDED = [
    {"target": "sex", "participant_id": f"sub-{number}", "reason": reason}
    for number, reason in enumerate(["no value of age", "no value of age", "no features wm"])
]


@pytest.fixture(scope="module")
def results():
    return [make_result(), make_result("categorical", 2), make_result("categorical", 3)]


@pytest.fixture(scope="module")
def out(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    facts = {"Table of participants": "/data/participants.tsv"}
    write_made_results(out, results, EXCLUDED, facts, preset="deeptaskgen-2025", seed=3)
    return out


@pytest.fixture(scope="module")
def page(out):
    return biomarkers_path(out, "page").read_text("utf-8")


def write_page(tmp_path, *results, **values):
    """Write results, and read the page."""
    return write_made_results(tmp_path, results, **values).read_text("utf-8")


def test_all_files_of_the_list_are_written_and_no_others(out):
    patterns = [re.sub(r"\{\w+\}", "*", text) for text in load_table("outputs.json")["biomarkers"].values()]
    assert all(list(out.glob(pattern)) for pattern in patterns)
    listed = {path for pattern in patterns for path in out.glob(pattern)}
    assert {path for path in out.rglob("*") if path.is_file()} == listed


def test_tables_have_the_documented_columns(out):
    columns = {
        "scores": "target kind setup features score value ci_low ci_high gain gain_low gain_high "
        "n_participants n_features",
        "fold_scores": "target setup features repeat fold n_train n_test score value",
        "tests": "target setup features statistic p p_fdr n_permutations",
        "comparisons": "target setup features compared_with score difference ci_low ci_high t p p_fdr",
        "penalties": "target setup features repeat fold penalty",
        "learning_curve": "target features n_train score value ci_low ci_high",
        "excluded": "target participant_id reason",
    }
    for name, text in columns.items():
        assert set(read_tsv(biomarkers_path(out, name))[0]) == set(text.split()), name


def test_each_target_has_its_predictions_and_folds(out, results):
    names = {path.name for path in out.glob("target-*")}
    labels = ("fluid-intelligence-raw-score", "sex", "diagnosis")
    assert names == {f"target-{label}_{kind}.tsv" for label in labels for kind in ("predictions", "folds")}
    rows = read_tsv(out / "target-sex_folds.tsv")
    assert [int(row["repeat1"]) - 1 for row in rows] == results[1].problem.folds.numbers[0].tolist()


def test_the_page_is_complete_in_itself(page):
    parsed = Page(page)
    check_identifiers(parsed)
    assert not parsed.open
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert parsed.named("html")[0]["lang"] == "en"


def test_the_page_has_everything_in_order(page):
    headings = re.findall(r"<h[12][^>]*>(.*?)</h[12]>", page)
    assert headings == [
        "Prediction of traits: fluid intelligence (raw score), sex and diagnosis",
        "Summary",
        "fluid intelligence (raw score)",
        "sex",
        "diagnosis",
        "Published set-up side by side",
        "Comparisons of feature sets",
        "Learning curves",
        "Notes",
        "Methods",
    ]


def test_every_figure_has_its_scores_in_words(page, out):
    images = Page(page).named("img")
    assert len(images) == len(list((out / "figures").glob("*.png"))) == 3 * 3 + 1
    assert all(len(image["alt"]) > 20 for image in images)
    assert any("partial r: wm 0." in image["alt"] for image in images)


def test_sections_that_scroll_can_be_reached_by_keyboard(page):
    regions = [
        attributes
        for _, attributes in Page(page).elements
        if attributes.get("class", "").startswith(("scroll", "picture"))
    ]
    assert len(regions) == 5 + 10
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def test_facts_name_participants_exclusions_families_confounds_and_folds(out, page):
    facts = json.loads(biomarkers_path(out, "facts").read_text("utf-8"))["Facts"]
    assert facts["Participants"] == "100"
    assert facts["Excluded"] == (
        "fluid intelligence (raw score): none; sex: 3 (2 no value of age; 1 no features wm); "
        "diagnosis: none. They are listed in excluded.tsv"
    )
    assert facts["Families"] == "50 families of 100 participants"
    assert facts["Confounds"] == "age and fd_mean_mm"
    assert facts["Folds"].startswith("5-fold cross-validation, repeated 2 times")
    assert facts["Features connectome"] == "description of connectome"
    assert facts["Permutations"] == "200"
    assert facts["Table of participants"] == "/data/participants.tsv"
    assert all(f"<dd>{value}</dd>" in page for value in facts.values())


def test_participants_who_were_not_selected_are_counted(tmp_path):
    rows = [
        {"target": "all", "participant_id": f"sub-{number}", "reason": "not selected"}
        for number in range(1200)
    ]
    page = write_page(tmp_path, make_result(published=False), excluded=rows)
    assert "<dd>none. Not selected: 1,200. They are listed in excluded.tsv</dd>" in page


@pytest.mark.parametrize(
    ("family_column", "fact", "sentence"),
    [
        (
            "",
            "not known: no column family_id; participants were taken to be unrelated",
            "Families were not known: participants were assumed to be unrelated.",
        ),
        (
            "family_id",
            "no two participants of the same family (column family_id)",
            "No two participants were of the same family.",
        ),
    ],
)
def test_families_that_are_not_known_are_not_called_unrelated(tmp_path, family_column, fact, sentence):
    result = make_result(published=False, family_column=family_column)
    families = np.arange(len(result.problem.participants))
    result = replace(result, problem=replace(result.problem, families=families))
    page = write_page(tmp_path, result)
    assert f"<dd>{fact}</dd>" in page
    assert sentence in biomarkers_path(tmp_path, "methods").read_text("utf-8")


def test_components_are_on_the_page_if_a_table_is_reduced(tmp_path):
    result = make_result(published=False)
    n_columns = next(item.n_features for item in result.features if not item.is_kernel)
    for n_components, is_reduced in ((n_columns, False), (n_columns - 1, True)):
        page = write_page(tmp_path, result, n_components=n_components)
        assert ("Principal components" in page) == is_reduced
        methods = biomarkers_path(tmp_path, "methods").read_text("utf-8")
        assert ("principal components" in methods) == is_reduced


def test_categories_are_counted_readably(page):
    assert "100 participants: f (n = 50) and m (n = 50)" in page


def test_the_description_has_settings_versions_counts_and_seeds(out):
    content = json.loads(biomarkers_path(out, "facts").read_text("utf-8"))
    assert content["Settings"]["seed"] == 3
    assert content["Settings"]["features"] == [f"{name}=/data/store" for name in SIGNALS]
    assert {"python", "numpy", "scipy", "scikit-learn", "bids-deeptaskgen"} == content["Versions"].keys()
    sex = content["Targets"][1]
    assert sex["Levels"] == {"f": 50, "m": 50}
    assert sex["Folds"]["deeptaskgen-2025"]["Seed"] == 42
    assert (sex["NumberOfParticipants"], sex["NumberOfFamilies"]) == (100, 50)


def test_a_page_without_confounds_warns_before_anything_else(tmp_path, page):
    other_page = write_page(tmp_path, make_result(confounds=(), published=False))
    assert "<strong>No confounds were removed.</strong>" in other_page
    assert other_page.index("No confounds were removed") < other_page.index("<dl>")
    assert "confounds only" not in other_page
    assert "partial r" not in other_page
    assert 'class="warning"' not in page


def test_a_run_without_permutations_curve_and_pairs_has_a_shorter_page(tmp_path):
    result = make_result(published=False, n_permutations=0, curve=False)
    result = replace(
        result,
        features=result.features[:1],
        predictions={
            key: value for key, value in result.predictions.items() if key[1] in ("confounds", "wm")
        },
        tests={},
    )
    page = write_page(tmp_path, result)
    for text in (
        "Permutation test",
        "Comparisons of feature sets",
        "Learning curves",
        "Winkler",
        "Benjamini",
    ):
        assert text not in page
    assert "no permutation test was made" in page
    assert not biomarkers_path(tmp_path, "comparisons").exists()


def test_names_are_shown_as_they_are_and_never_run(tmp_path):
    result = make_result(published=False)
    target = replace(result.problem.target, name=HOSTILE)
    result = replace(result, problem=replace(result.problem, target=target), learning_curve=())
    page = write_page(tmp_path, result)
    assert HOSTILE in "".join(Page(page).texts)
    assert not Page(page).named("script")


def test_large_samples_are_drawn_as_densities(tmp_path):
    page = write_page(tmp_path, make_result(published=False, n=1600, n_repeats=1))
    assert "out-of-fold prediction" in page


@pytest.mark.parametrize("n_levels", [2, 3])
def test_the_area_under_the_mean_curve_is_the_mean_auc(n_levels):
    problem = make_problem("categorical", n_levels=n_levels, n=300)
    predictions = make_predictions(problem, 0.5, is_linear=False)
    areas = [
        trapezoid(true_rates, false_rates)
        for false_rates, true_rates in average_roc(problem, predictions).values()
    ]
    assert len(areas) == (1 if n_levels == 2 else 3)
    assert np.mean(areas) == pytest.approx(score_folds(problem, predictions)["AUC"].mean(), abs=0.01)


def test_the_set_ups_are_side_by_side_with_who_found_what(page):
    table = page[page.index('id="setups"') : page.index('id="comparisons"')]
    assert table.count("<tr") == 1 + 3 * 3
    assert "both" in table
    for words in (
        "removes no confounds",
        "relation, confounds included, and takes relatives",
        "confounds only",
        "with large values it is almost no penalty, with small ones a strong one",
    ):
        assert words in table


def test_set_ups_without_confounds_and_relatives_differ_in_neither(tmp_path):
    result = make_result(confounds=())
    families = np.arange(len(result.problem.participants))
    result = replace(result, problem=replace(result.problem, families=families))
    page = write_page(tmp_path, result, preset="deeptaskgen-2025")
    section = page[page.index('id="setups"') : page.index('id="comparisons"')]
    assert "fixed penalty" in section
    assert not re.search(
        "removes no confounds|confounds included|confounds only|relative of|families", section
    )


def test_the_methods_text_cites_what_was_used_alone(tmp_path, out):
    text = biomarkers_path(out, "methods").read_text("utf-8")
    for name in ("Nadeau", "Freedman", "Winkler et al. (2015)", "Hoerl", "Pedregosa", "Serin", "Snoek"):
        assert name in text
    assert "200 permutations" in text
    assert "Johnson" not in text
    assert "{" not in text
    write_page(tmp_path, make_result(published=False, confounds=()), combat="site")
    text = biomarkers_path(tmp_path, "methods").read_text("utf-8")
    assert "Johnson et al. (2007)" in text
    assert "No confounds were removed" in text
    assert "Snoek" not in text
    assert "logistic" not in text


def test_every_cited_reference_is_in_the_list_and_every_one_of_the_list_is_cited():
    for part in load_table("biomarkers_methods.json")["parts"].values():
        cited = set(re.findall(r"([A-Z]\w+) (?:et al\.|and [A-Z]\w+), (\d{4})", part["text"]))
        cited |= set(re.findall(r"([A-Z]\w+)(?: et al\.| and [A-Z]\w+)?, (\d{4})", part["text"]))
        listed = {re.match(r"([A-Z]\w+).*?\((\d{4})\)", text).groups() for text in part["references"]}
        assert cited == listed


def test_replacement_removes_results_of_other_targets_and_leaves_other_files(tmp_path, results):
    out, work = tmp_path / "out", tmp_path / "work"
    write_made_results(out, results)
    (out / "notes.txt").touch()
    (out / "scores.json").touch()
    write_made_results(work, results[1:2])
    names = {path.relative_to(work) for path in work.rglob("*") if path.is_file()}
    with mark_folder(tmp_path):
        replace_results(work, out)
    left = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    assert {str(path) for path in left - names} == {"notes.txt", "scores.json"}
    assert names <= left


def test_tests_are_of_the_nested_set_up_in_the_table_of_a_target(page, out):
    row = next(row for row in read_tsv(biomarkers_path(out, "tests")) if row["setup"] == NESTED)
    table = page[page.index('id="target-fluid-intelligence-raw-score-scores"') :]
    assert f"<td>{float(row['p']):.3f}</td>" in table


def test_a_score_is_a_function_and_an_entry(tmp_path, monkeypatch):
    score = Score(
        label="signed r²",
        compute=lambda fold: correlate(fold) * abs(correlate(fold)),
        phrase="the signed r² (r times its size)",
        remark="The signed r² has the sign of r.",
        is_drawn=True,
        has_unit=True,
    )
    monkeypatch.setitem(SCORES["continuous"], "signed", score)
    page = write_page(tmp_path, make_result(published=False))
    assert "<th>signed r²</th>" in re.sub(r"<th[^>]*>", "<th>", page)
    assert "The signed r² has the sign of r." in page
    assert any("signed r²: " in image["alt"] for image in Page(page).named("img"))
    assert "the signed r² (r times its size)" in biomarkers_path(tmp_path, "methods").read_text("utf-8")
    assert any(row["score"] == "signed" for row in read_tsv(biomarkers_path(tmp_path, "scores")))
