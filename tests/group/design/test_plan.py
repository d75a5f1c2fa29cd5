from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design import effects
from bids_deeptaskgen.group.design.observations import DesignRequest
from bids_deeptaskgen.group.design.plan import plan_design
from tests.group.designs import observations, request


def labels(plan):
    return [effect.label for effect in plan.effects]


def test_numbers_are_centred_and_categories_are_compared_with_the_first():
    plan = plan_design(observations(), request("age + sex"))
    assert plan.columns == ("intercept", "age", "sex[M]")
    assert labels(plan) == ["age", "sexMMinusF"]
    assert [effect.title for effect in plan.effects] == ["age", "sex: M - F"]
    np.testing.assert_allclose(plan.matrix[:, 1].mean(), 0, atol=1e-9)
    np.testing.assert_array_equal(plan.matrix[:, 2], [1, 0] * 20)
    assert plan.dof == 37
    assert "sex is categorical: F (20), M (20); F is the reference." in plan.notes


def test_a_row_belongs_to_its_participant_whatever_the_order_of_observations():
    rows = observations()
    plan, reverse = plan_design(rows, request("age")), plan_design(rows[::-1], request("age"))
    ages = np.array([float(row.columns["age"]) for row in rows])
    np.testing.assert_allclose(plan.matrix[:, 1], ages - ages.mean())
    np.testing.assert_array_equal(plan.matrix, reverse.matrix)
    assert plan.participants == reverse.participants


def test_categories_have_all_pairwise_differences():
    plan = plan_design(observations(), request("group"))
    assert labels(plan) == ["groupBMinusA", "groupCMinusA", "groupCMinusB"]
    np.testing.assert_array_equal(
        [effect.contrast for effect in plan.effects], [[0, 1, 0], [0, 0, 1], [0, -1, 1]]
    )


def test_interactions_test_each_coded_column_and_say_where_main_effects_are():
    plan = plan_design(observations(), request("age * sex + group"))
    assert labels(plan) == ["age", "sexMMinusF", "groupBMinusA", "groupCMinusA", "groupCMinusB", "ageBySexM"]
    assert plan.effects[-1].title == "age by sex: M - F"
    assert any("at the mean of the numbers and at the reference" in note for note in plan.notes)
    plan = plan_design(observations(60), request("sex * group"))
    assert labels(plan) == ["sexMMinusF", "groupBMinusA", "groupCMinusA", "sexMByGroupB", "sexMByGroupC"]


def test_labels_of_effects_are_letters_and_digits_and_differ():
    powers = {"a_b": 1, "aB": 2, "年": 3}
    rows = observations(**{name: [float(i**power % 37) for i in range(40)] for name, power in powers.items()})
    plan = plan_design(rows, request("a_b + aB"))
    assert labels(plan) == ["aB", "aB2"]
    plan = plan_design(rows, request("年 + `a_b`"))
    assert all(label.isascii() and label.isalnum() for label in labels(plan))
    plan = plan_design(rows, request("log(age) + scale(aB)"))
    assert labels(plan) == ["logAge", "aBScaled"]
    assert labels(plan_design(rows, request("poly(age, 2)"))) == ["agePoly1", "agePoly2"]


def test_labels_of_effects_are_not_those_of_other_maps_of_the_group():
    values = [float(number**2 % 37) for number in range(40)]
    plan = plan_design(observations(QCFC=values, predicted=values[::-1]), request("QCFC + predicted"))
    assert labels(plan) == ["qcfc2", "predicted2"]
    patterns = load_table("outputs.json")["patterns"]
    used_labels = {
        pattern.partition("_desc-")[2].partition("_")[0]
        for kind, pattern in patterns.items()
        if kind.startswith("group_") and pattern.endswith("_statmap.nii.gz")
    }
    assert used_labels - {"{effect}"} == effects._RESERVED_LABELS


def test_default_covariates_are_quality_metrics_and_site():
    plan = plan_design(observations(), DesignRequest("age"))
    assert plan.columns == ("intercept", "age", "mean_fd", "minutes", "tsnr", "site[Y]")
    assert plan.facts["Covariates"] == "mean_fd, minutes, tsnr, site"
    assert labels(plan) == ["age"]


@pytest.mark.parametrize("name", ["site", "site_id", "SITE_ID", "Site"])
def test_sites_are_categories_even_if_their_codes_are_numbers(name):
    codes = [["2", "5", "9", "11"][number // 2 % 4] for number in range(40)]
    if name == "site_id":
        plan = plan_design(observations(site_id=codes), DesignRequest("age"))
        assert plan.columns[-3:] == ("site[5]", "site[9]", "site[11]")
        assert any("site is categorical: 2 (10), 5 (10)" in note for note in plan.notes)
    plan = plan_design(observations(**{name: codes}), request("age", name))
    assert plan.columns[-3:] == tuple(f"{name}[{code}]" for code in ("5", "9", "11"))


def test_sites_with_one_participant_each_are_pooled_among_the_default_covariates():
    plan = plan_design(observations(site_id=["1"] * 20 + ["2"] * 17 + ["3", "4", "5"]), DesignRequest("age"))
    assert plan.columns[-2:] == ("site[2]", "site[pooled]")
    assert plan.matrix[:, -1].sum() == 3
    assert "3 values of site with one participant each are one category, pooled: 3, 4, 5." in plan.notes
    assert plan.excluded == {}


def test_the_only_participant_of_a_site_is_excluded_if_site_is_a_default_covariate():
    rows = observations(site_id=["1"] * 20 + ["2"] * 19 + ["3"])
    plan = plan_design(rows, DesignRequest("age"))
    assert plan.columns[-1] == "site[2]"
    assert plan.excluded == {"39": "no other participant has the site 3"}
    assert any(note.startswith("sub-39 is excluded: no other participant has the") for note in plan.notes)
    with pytest.raises(UserError, match="The column site has categories with one participant: 3"):
        plan_design(rows, request("age", "site"))


def test_a_tested_column_is_no_covariate_whatever_its_name():
    for name in ("mean_fd", "fd_mean_mm"):
        plan = plan_design(observations(), DesignRequest(name))
        assert plan.facts["Covariates"] == "minutes, tsnr, site"


def test_default_covariates_without_values_are_dropped_with_a_note():
    rows = observations(fd_mean_mm=[None] * 40, site_id=["X"] * 40)
    plan = plan_design(
        [row.__class__(row.subject, None, row.columns | {"fd_mean_mm": None}) for row in rows],
        DesignRequest("age"),
    )
    assert plan.facts["Covariates"] == "minutes, tsnr"
    assert "The covariate mean_fd was dropped: it has no value of any participant." in plan.notes
    assert "The covariate site was dropped: it has the same value (X) in all participants." in plan.notes
    assert plan.excluded == {}
    columns = {name: [row.columns[name] for row in rows] for name in ("age", "sex")}
    bare = [
        row.__class__(row.subject, None, {"age": age}) for row, age in zip(rows, columns["age"], strict=True)
    ]
    notes = plan_design(bare, DesignRequest("age")).notes
    assert "The covariate tsnr was dropped: there is no such column." in notes


def test_minutes_are_summed_over_sessions_and_other_metrics_are_averaged():
    rows = observations(sessions=("pre", "post"))[:-1]
    plan = plan_design(rows, request("age", "minutes", "tsnr"))
    for column, metric, reduce in ((2, "minutes_kept", sum), (3, "tsnr_median", np.mean)):
        values = [
            reduce([row.columns[metric] for row in rows if row.subject == name]) for name in plan.participants
        ]
        np.testing.assert_allclose(plan.matrix[:, column], np.array(values) - np.mean(values))


def test_minutes_of_a_participant_with_a_session_of_unknown_minutes_are_unknown():
    rows = observations(sessions=("pre", "post"))
    rows[0] = replace(rows[0], columns=rows[0].columns | {"minutes_kept": None})
    plan = plan_design(rows, request("age", "minutes"))
    assert plan.excluded == {"00": "no value of the covariate minutes"}


def test_switched_off_covariates_are_noted():
    plan = plan_design(observations(), request("age"))
    assert plan.facts["Covariates"] == "none"
    assert any("Covariates were switched off" in note for note in plan.notes)


def test_covariates_that_the_user_names_must_have_values_and_vary():
    rows = observations(site_id=["X"] * 40, iq=[None] * 40)
    with pytest.raises(UserError, match=r"The covariate site has the same value \(X\) in all participants"):
        plan_design(rows, request("age", "site"))
    with pytest.raises(UserError, match="The covariate iq has no value of any participant"):
        plan_design(rows, request("age", "iq"))
    with pytest.raises(UserError, match="`covariates` names the column height, which neither"):
        plan_design(rows, request("age", "height"))


def test_participants_without_a_tested_value_are_excluded_by_name():
    plan = plan_design(observations(age=["n/a", "", *map(str, range(38))]), request("age"))
    assert plan.excluded == {"00": "no value of age", "01": "no value of age"}
    assert plan.participants[0] == "02"
    assert plan.facts["Participants"] == "38 (2 excluded)"


def test_participants_without_a_covariate_are_excluded_or_the_covariate_is_dropped():
    rows = observations(iq=[None, *map(float, range(39))])
    plan = plan_design(rows, request("age", "iq"))
    assert plan.excluded == {"00": "no value of the covariate iq"}
    plan = plan_design(rows, request("age", "iq", missing_covariates="drop"))
    assert plan.excluded == {}
    assert "The covariate iq was dropped for all participants: 1 of 40 have no value." in plan.notes


def test_too_many_missing_covariates_name_the_way_out():
    rows = observations(iq=[None] * 36 + [1.0, 2.0, 3.0, 5.0])
    with pytest.raises(UserError, match="36 participants were excluded for lack.*`missing_covariates` drop"):
        plan_design(rows, request("age", "iq"))


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("agee", r"`design` names the column agee.*Did you mean age\? Columns:.*group"),
        ("Age", r"Did you mean age\?"),
        ("fd_mean", "Did you mean .*fd_mean_mm"),
        ("xyz", "Columns: age, fd_mean_mm, group"),
    ],
)
def test_an_absent_column_is_refused_with_similar_names(design, message):
    with pytest.raises(UserError, match=message):
        plan_design(observations(), request(design))


def test_nothing_to_test_is_refused():
    with pytest.raises(UserError, match="set `design` or `session_difference`"):
        plan_design(observations(), request(None))


def test_numbers_become_categories_by_formula_or_declaration():
    rows = observations(code=[str(number % 3 + 1) for number in range(40)])
    number = plan_design(rows, request("code"))
    assert number.columns == ("intercept", "code")
    assert any("values 1, 2, 3. Write C(code)" in note for note in number.notes)
    by_formula, declared = plan_design(rows, request("C(code)")), plan_design(rows, request("code"), {"code"})
    assert by_formula.columns == declared.columns == ("intercept", "code[2]", "code[3]")
    assert labels(declared) == ["code2Minus1", "code3Minus1", "code3Minus2"]


def test_numbers_as_categories_are_ordered_by_value():
    rows = observations(code=[("10", "9")[number % 2] for number in range(40)])
    assert labels(plan_design(rows, request("C(code)"))) == ["code10Minus9"]


def test_codes_of_numbers_and_text_are_categories_on_request():
    rows = observations(x=["1", "2", "3", "3b"] * 10)
    assert plan_design(rows, request("C(x)")).columns == ("intercept", "x[2]", "x[3]", "x[3b]")
    with pytest.raises(UserError, match="write C"):
        plan_design(rows, request("x"))


@pytest.mark.parametrize(
    ("values", "design", "message"),
    [
        (["M", "m", "F", "F"] * 10, "x", "differ only in case or spaces: 'M', 'm'"),
        (["M", "M ", "F", "F"] * 10, "x", "differ only in case or spaces: 'M', 'M '"),
        (["M"] * 39 + ["F"], "x", "categories with one participant: F"),
        (["7"] * 40, "x", "The column x is constant: all 40 participants of the design have 7"),
        (["M"] * 40, "x", "constant: all 40 participants of the design have M"),
        ([None] * 40, "x", "No participants remain for the design"),
        ([*map(str, range(39)), "old"], "x", "has numbers and text: 'old' [(]sub-39[)]"),
        (["0", *map(str, range(39))], "log(x)", "needs positive numbers.*sub-00"),
        (["M", "F"] * 20, "log(x)", r"has log\(x\), but x is categorical"),
        (["1", "2"] * 20, "poly(x, 2)", "more than 2 different values; x has 2"),
        (["1", "2"] * 20, "x + C(x)", "both as a number and as C"),
    ],
)
def test_columns_that_cannot_be_tested_are_refused(values, design, message):
    with pytest.raises(UserError, match=message):
        plan_design(observations(x=values), request(design))


def test_collinear_columns_are_named_and_no_others():
    ages = [float(number % 31) for number in range(40)]
    rows = observations(years=ages, months=[12 * age + 0.1 for age in ages])
    with pytest.raises(UserError, match="cannot be separated: years, months. Remove one"):
        plan_design(rows, request("years + sex", "months"))


def test_a_group_of_one_site_is_collinear_with_site():
    rows = observations(scanner=["PQ"[number // 2 % 2] for number in range(40)])
    with pytest.raises(UserError, match=r"collinear.*scanner\[Q\], site\[Y\]"):
        plan_design(rows, request("scanner", "site"))


def test_nearly_collinear_columns_are_noted_with_their_variance_inflation():
    random = np.random.default_rng(0)
    first = random.normal(size=40)
    second = first + 0.2 * random.normal(size=40)
    plan = plan_design(observations(first=[*first], second=[*second]), request("first + second"))
    r = np.corrcoef(first, second)[0, 1]
    assert any(f"inflation factor is {1 / (1 - r**2):.1f}" in note for note in plan.notes)
    plan = plan_design(observations(), request("age + sex"))
    assert not any("inflation" in note for note in plan.notes)


def test_too_few_participants_per_column_are_refused():
    with pytest.raises(UserError, match=r"4 participants for 2 columns \(intercept, age\); it needs 5"):
        plan_design(observations(4), request("age"))
    plan_design(observations(5), request("age"))
    with pytest.raises(UserError, match="9 participants for 5 columns.*it needs 10: at least 2 per column"):
        plan_design(observations(9), request("age", "mean_fd", "tsnr", "minutes"))


def test_tfce_and_few_permutations_are_refused():
    with pytest.raises(UserError, match="`tfce` needs permutations: set `n_permutations`"):
        plan_design(observations(), request("age", tfce=True))
    with pytest.raises(UserError, match="`n_permutations` is 19.*1/20 and no effect can reach p < 0.05"):
        plan_design(observations(), request("age", n_permutations=19))
    plan_design(observations(), request("age", n_permutations=20))


def test_permutations_of_few_participants_are_refused():
    with pytest.raises(UserError, match="of 6 participants have 20 different results"):
        plan_design(observations(6), request("sex", n_permutations=100))
    plan_design(observations(7), request("sex", n_permutations=100))
    plan_design(observations(6), request("age", n_permutations=100))
