import pytest

from bids_deeptaskgen.report.evaluation_figures import draw_scores
from bids_deeptaskgen.report.evaluation_html import (
    Evaluation,
    judge_predictors,
    overview_rows,
    render,
)
from bids_deeptaskgen.report.figures.predictor_styles import predictor_styles
from bids_deeptaskgen.report.section import Picture, Section

LABELS = ("a", "b", "c")


def score(predictor, role, contrast, name, value, chance=float("nan")):
    """Create a row of the table of scores."""
    row = {"predictor": predictor, "role": role, "contrast": contrast, "score": name, "value": value}
    ends = {"ci_low": value - 0.1, "ci_high": value + 0.1, "chance": chance, "ceiling": float("nan")}
    return row | ends | {"n_participants": 9, "unreliable": False}


def comparison(contrast, name, difference, p):
    """Create a row of the table of comparisons."""
    row = {"predictor": "net", "compared_with": "group average", "contrast": contrast, "score": name}
    numbers = {"mean_difference": difference, "ci_low": difference, "ci_high": difference, "cliffs_delta": 0}
    return row | numbers | {"p": p, "p_fdr": p, "n_participants": 9, "n_families": 9}


@pytest.fixture
def scores():
    names = ("difference", "r", "residual_r", "identification_rate", "mean_rank", "dice_auc")
    return [
        score(predictor, role, label, name, value + 0.1 * number, chance=0.01 * number)
        for predictor, role, value in (("net", "model", 0.3), ("group average", "baseline", 0.5))
        for number, label in enumerate(LABELS)
        for name in names
    ]


@pytest.mark.parametrize(
    ("p", "signs", "expected"),
    [
        ((0.01, 0.01, 0.5), (1, 1, -1), ("better", 2, 0)),
        ((0.01, 0.01, 0.5), (-1, -1, 1), ("worse", 0, 2)),
        ((0.01, 0.01, 0.5), (1, -1, 1), ("mixed", 1, 1)),
        ((0.01, 0.5, 0.5), (1, 1, 1), ("mixed", 1, 0)),
        ((0.06, 0.5, 0.5), (1, 1, 1), ("not significant", 0, 0)),
    ],
)
def test_the_verdict_is_that_of_more_than_half_of_the_contrasts(scores, p, signs, expected):
    rows = [comparison(label, "r", sign, value) for label, sign, value in zip(LABELS, signs, p, strict=True)]
    (row,) = judge_predictors(rows, scores)
    assert (row["verdict"], row["n_better"], row["n_worse"]) == expected
    assert (row["mean"], row["mean_of_compared"]) == pytest.approx((0.4, 0.6))


def test_means_of_a_verdict_are_over_the_compared_contrasts(scores):
    (row,) = judge_predictors([comparison("c", "difference", 1, 0.01)], scores)
    assert row["n_contrasts"] == 1
    assert (row["mean"], row["mean_of_compared"]) == pytest.approx((0.5, 0.7))


def test_chance_levels_are_averaged_too(scores):
    row = next(iter(overview_rows(Evaluation("", {}, [], scores, []))))
    assert row["residual_r"] == pytest.approx(0.4)
    assert row["chance"]["residual_r"] == pytest.approx(0.01)


def test_shares_are_means_over_the_contrasts_with_a_ceiling_whose_number_is_given(scores):
    rows = [row | {"share_of_ceiling": 0.5, "chance_share": 0.1} for row in scores[:6]] + scores[6:]
    evaluation = Evaluation("", {}, [], rows, [])
    first, second = overview_rows(evaluation)
    assert (first["n_contrasts"], first["n_shares"]["r"], second["n_shares"]["r"]) == (3, 1, 0)
    assert (first["share_of_ceiling"]["r"], first["chance_share"]["r"]) == (0.5, 0.1)
    assert "(50% of ceiling in 1 contrasts, chance 10%)" in render(evaluation)


def test_verdicts_are_the_first_table_of_the_page(scores):
    rows = [comparison(label, name, -1, 0.01) for label in LABELS for name in ("r", "difference")]
    page = render(Evaluation("Title", {"Participants": "9"}, ["a note"], scores, rows))
    table = page[page.index("<table>") : page.index("</table>")]
    assert table.count(">worse<") == 2
    assert "better in 0, worse in 3 of 3" in table
    assert "(chance 0.010)" in page


def test_sections_follow_the_overview_in_order_with_their_tables_and_figures(scores):
    sections = [
        Section("first", "First table", ("name", "value", "n"), [("x", 0.12345, 7), ("y", float("nan"), 8)]),
        Section("second", "Second", text="only text", figures={"fig": Picture("a caption", b"png")}),
    ]
    page = render(Evaluation("", {}, [], scores, [], sections=sections))
    headings = ("Over all contrasts", 'id="first"', 'id="second"', "only text", 'id="fig"', "<h2>Notes")
    places = [page.index(text) for text in headings]
    assert places == sorted(places)
    assert '<td class="text">x</td><td>0.123</td><td>7</td>' in page
    assert '<td class="text">y</td><td>n/a</td><td>8</td>' in page


def test_chance_levels_that_differ_between_predictors_are_drawn(scores):
    equal_chance = [row | {"chance": 0.01} for row in scores]
    pictures = {draw_scores(rows, "residual_r", "residual r") for rows in (scores, equal_chance)}
    assert len(pictures) == 2
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def test_ceilings_are_drawn_and_their_shares_are_written(scores):
    with_ceiling = [
        row | {"ceiling": 0.9 + 0.01 * LABELS.index(row["contrast"]), "share_of_ceiling": row["value"] / 0.9}
        for row in scores
    ]
    assert draw_scores(scores, "r", "r") != draw_scores(with_ceiling, "r", "r")
    page = render(Evaluation("", {}, [], with_ceiling, []))
    assert "(33% of ceiling)" in page
    assert "(44% of ceiling)" in page
    assert "% of ceiling)" not in render(Evaluation("", {}, [], scores, []))


def test_all_predictors_have_different_styles():
    models = [score(f"net{number}", "model", "a", "r", 0.5) for number in range(25)]
    baselines = [score(f"base{number}", "baseline", "a", "r", 0.5) for number in range(4)]
    styles = predictor_styles([*models, *baselines])
    assert len({(style["colour"], style["marker"]) for style in styles.values()}) == 29
