"""Targets: which are continuous, which are categorical, and which are refused."""

import json

import numpy as np
import pytest

from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.cohort.cohorts import ages, labels, problem_of, write_table


def target_of(folder, cells, **options):
    return problem_of(folder, {"age": cells}, **options)[0].target


def test_numbers_are_continuous(tmp_path):
    target = target_of(tmp_path, ages())
    assert target.kind == "continuous"
    assert target.values.tolist() == [float(age) for age in ages()]
    assert target.columns.shape == (40, 1)


def test_text_is_categorical_in_the_order_of_letters(tmp_path):
    target = target_of(tmp_path, ["MDD", "HC"] * 20)
    assert (target.kind, target.levels, target.values[:2].tolist()) == ("categorical", ("HC", "MDD"), [1, 0])


def test_numbers_with_two_values_are_categories(tmp_path):
    target = target_of(tmp_path, ["2", "1", "1.0", "2.0"] * 10)
    assert (target.kind, target.levels, target.values[:4].tolist()) == (
        "categorical",
        ("1", "2"),
        [1, 0, 0, 1],
    )


def test_three_numbers_are_continuous_unless_they_are_declared_categories(tmp_path):
    cells = ["10", "9", "11", "9"] * 10
    assert target_of(tmp_path, cells).kind == "continuous"
    assert target_of(tmp_path, cells, categorical=("age",)).levels == ("9", "10", "11")


@pytest.mark.parametrize("values", [["0", "1", "2.0"], ["0", "1", "1", "9"], [str(n) for n in range(8)]])
def test_a_few_whole_numbers_give_a_warning(tmp_path, caplog, values):
    cells = (values * 14)[:40]
    assert target_of(tmp_path, cells).kind == "continuous"
    listed = ", ".join(sorted({value.removesuffix(".0") for value in values}))
    assert f"values ({listed}), which are taken as numbers. If they are codes, name it in" in caplog.text
    caplog.clear()
    target_of(tmp_path, cells, categorical=("age",))
    assert "taken as numbers" not in caplog.text


def test_many_numbers_and_fractions_give_no_warning(tmp_path, caplog):
    target_of(tmp_path, [str(n % 11) for n in range(40)])
    target_of(tmp_path, ["0.5", "1", "2", "3"] * 10)
    assert "taken as numbers" not in caplog.text


def test_codes_of_the_sidecar_are_categories(tmp_path):
    (tmp_path / "participants.json").write_text(
        json.dumps({"age": {"Levels": {"1": "a", "2": "b", "3": "c"}}})
    )
    assert target_of(tmp_path, ["1", "2", "3", "2.0"] * 10).levels == ("1", "2", "3")


def test_the_code_of_a_missing_value_in_the_sidecar_does_not_make_numbers_categories(tmp_path, caplog):
    (tmp_path / "participants.json").write_text(json.dumps({"age": {"Levels": {"999": "not asked"}}}))
    assert target_of(tmp_path, ages()).kind == "continuous"
    assert not caplog.records
    assert target_of(tmp_path, ["999", *ages()[1:]]).kind == "continuous"
    assert "999 is declared as a category in the sidecar" in caplog.text


def test_sites_are_categories_though_their_codes_are_numbers(tmp_path):
    problem, _ = problem_of(tmp_path, {"Site_ID": ["1", "2", "3", "4"] * 10}, name="site")
    assert problem.target.levels == ("1", "2", "3", "4")


def test_minus_one_among_positive_numbers_gives_a_warning(tmp_path, caplog):
    target_of(tmp_path, ["-818", *ages()[1:]])
    assert "the target age: 1 of 40 participants have -818, and all others 0 or more" in caplog.text


def test_negative_numbers_give_no_warning(tmp_path, caplog):
    target_of(tmp_path, ["-2", "-1", *ages()[2:]])
    assert "or more" not in caplog.text


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["30"] * 40, r"the target age has one value, 30, in all 40 participants.*Remove it from `target`"),
        (["HC"] * 40, r"the target age has one value, HC, in all 40 participants"),
        (["HC"] * 30 + ["none"] * 10, r"one value, HC, in all 30 .* Cells with 'none' are missing values"),
        (
            ["n/a"] * 25 + ages()[25:],
            r"age can be analysed in 15 participants, and at least 20 are needed: 40 participants with all "
            r"features, of these 15 with age",
        ),
        (
            ["young", ">90", *ages()[2:]],
            r"has text where numbers are needed, for 2 of 40 participants: 'young' \(sub-001\), '>90' "
            r"\(sub-002\).*name age in `categorical`",
        ),
        (["30,5", *ages()[1:]], r"'30,5' \(sub-001\).*Write decimal points instead of commas"),
        (
            ["1", *["HC", "MDD", "BD"] * 13],
            r"has numbers among text, for 1 of 40 participants: '1' \(sub-001\)",
        ),
        (
            [f"level {n // 2:02d}" for n in range(40)],
            r"has 20 categories \(level 00, .*at most 10 are possible",
        ),
        (["inf", "1e999", *ages()[2:]], r"is infinite in 2 cells: 'inf' \(sub-001\), '1e999' \(sub-002\)"),
        (["hc", *["HC", "MDD", "BD"] * 13], r"has 'HC' and 'hc', which differ in letter case only"),
        (
            ["BD"] * 3 + ["HC"] * 37,
            r"fewer participants or families than the 5 folds: BD \(3 participants of 3 families\)",
        ),
    ],
)
def test_unusable_targets_are_refused(tmp_path, cells, message):
    with pytest.raises(InputError, match=f"(?s){message}") as caught:
        target_of(tmp_path, cells)
    assert caught.value.exit_code == 3
    assert "participants.tsv" in str(caught.value) or "folds" in str(caught.value)


def test_many_declared_categories_are_refused_with_advice(tmp_path):
    with pytest.raises(InputError, match=r"(?s)has 40 categories.*Remove it from `categorical`"):
        target_of(tmp_path, ages(), categorical=("age",))


def test_a_category_of_many_participants_but_few_families_is_refused(tmp_path):
    columns = {"age": ["BD"] * 8 + ["HC"] * 32, "family_id": ["A", "B"] * 4 + ["n/a"] * 32}
    with pytest.raises(InputError, match=r"BD \(8 participants of 2 families\)"):
        problem_of(tmp_path, columns)


def test_an_unknown_column_is_refused_with_close_names(tmp_path):
    with pytest.raises(
        UserError, match=r"`target` names the column Agee.*participants.tsv.*Did you mean age\?"
    ):
        problem_of(tmp_path, {"age": ages(), "sex": ["F", "M"] * 20}, name="Agee")


def test_only_participants_of_the_analysis_count(tmp_path):
    cells = ["unknown", *ages()[1:]]
    write_table(tmp_path / "participants.tsv", {"age": cells})
    target = target_of(tmp_path, cells, features={"wm": labels()[1:]})
    assert target.kind == "continuous"
    assert np.isfinite(target.values).all()
