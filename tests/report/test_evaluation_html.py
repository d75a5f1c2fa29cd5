import pytest

from bids_deeptaskgen.report.evaluation_figures import _styles, draw_scores
from bids_deeptaskgen.report.evaluation_html import Evaluation, overview, render, verdicts

LABELS = ("a", "b", "c")


def score(predictor, role, contrast, name, value, chance=float("nan")):
    row = {"predictor": predictor, "role": role, "contrast": contrast, "score": name, "value": value}
    ends = {"ci_low": value - 0.1, "ci_high": value + 0.1, "chance": chance, "ceiling": float("nan")}
    return row | ends | {"n_people": 9, "unreliable": False}


def comparison(contrast, name, difference, p):
    row = {"predictor": "net", "compared_with": "group average", "contrast": contrast, "score": name}
    numbers = {"mean_difference": difference, "ci_low": difference, "ci_high": difference, "cliffs_delta": 0}
    return row | numbers | {"p": p, "p_fdr": p, "n_people": 9, "n_families": 9}


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
        ((0.06, 0.5, 0.5), (1, 1, 1), ("not told apart", 0, 0)),
    ],
)
def test_better_is_what_is_so_in_most_contrasts(scores, p, signs, expected):
    rows = [comparison(label, "r", sign, one) for label, sign, one in zip(LABELS, signs, p, strict=True)]
    (found,) = verdicts(rows, scores)
    assert (found["verdict"], found["better"], found["worse"]) == expected
    assert (found["own"], found["other"]) == pytest.approx((0.4, 0.6))


def test_means_in_a_verdict_are_over_the_contrasts_that_were_compared(scores):
    (found,) = verdicts([comparison("c", "difference", 1, 0.01)], scores)
    assert found["n_contrasts"] == 1
    assert (found["own"], found["other"]) == pytest.approx((0.5, 0.7))


def test_chance_stands_beside_the_means(scores):
    first = next(iter(overview(Evaluation("", {}, [], scores, []))))
    assert first["residual_r"] == pytest.approx(0.4)
    assert first["chance"]["residual_r"] == pytest.approx(0.01)


def test_the_verdict_is_the_first_table_of_the_page(scores):
    rows = [comparison(label, name, -1, 0.01) for label in LABELS for name in ("r", "difference")]
    page = render(Evaluation("Title", {"People": "9"}, ["a note"], scores, rows))
    table = page[page.index("<table>") : page.index("</table>")]
    assert table.count(">worse<") == 2
    assert "better in 0, worse in 3 of 3" in table
    assert "(chance 0.010)" in page


def test_a_chance_of_each_predictor_is_drawn_too(scores):
    same = [row | {"chance": 0.01} for row in scores]
    pictures = {draw_scores(rows, "residual_r", "residual r") for rows in (scores, same)}
    assert len(pictures) == 2
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def test_no_two_predictors_look_alike():
    models = [score(f"net{number}", "model", "a", "r", 0.5) for number in range(25)]
    baselines = [score(f"base{number}", "baseline", "a", "r", 0.5) for number in range(4)]
    styles = _styles([*models, *baselines])
    assert len({(style["colour"], style["marker"]) for style in styles.values()}) == 29
