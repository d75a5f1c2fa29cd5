import re

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.formula import check_marginality, parse_formula, term_words


def words(formula):
    return [term_words(term) for term in parse_formula(formula)]


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("age + sex", ["age", "sex"]),
        ("~ age", ["age"]),
        ("1 + age", ["age"]),
        ("age * C(sex)", ["age", "C(sex)", "age:C(sex)"]),
        ("(a + b)^2", ["a", "b", "a:b"]),
        ("`BMI (kg)` + `age-at-scan`", ["BMI (kg)", "age-at-scan"]),
        ("C(`my group`)", ["C(my group)"]),
        ("poly(age, 2) + log(dose) + scale(iq)", ["poly(age, 2)", "log(dose)", "scale(iq)"]),
        ("age + center(age) + age", ["age"]),
        ("âge + age.1", ["âge", "age.1"]),
    ],
)
def test_a_formula_becomes_terms(formula, terms):
    assert words(formula) == terms


@pytest.mark.parametrize("formula", ["", " ", "~", "1", "~1", "~ 1"])
def test_a_formula_of_the_intercept_alone_is_refused_with_the_reason(formula):
    with pytest.raises(UserError, match="no term but the intercept.*its t is infinite"):
        parse_formula(formula)


@pytest.mark.parametrize("formula", ["0 + x", "x - 1", "-1 + x", "x + 0", "x + y - 1", "0"])
def test_a_formula_without_the_intercept_is_refused_with_the_reason(formula):
    with pytest.raises(UserError, match="leaves out the intercept.*no null hypothesis"):
        parse_formula(formula)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x", "names a response before ~. The response is always the map"),
        ("x - y", "has a minus, which would remove terms"),
        ("age-at-scan", "names with - in backquotes"),
        ("age^2", "has a power of a column.*poly"),
        ("age**2", "has a power of a column"),
        ("__import__('os').system('ls')", "Allowed are names of columns"),
        ("np.log(x)", re.escape("has 'np.log(x)'. Allowed are names of columns")),
        ("exp(x)", re.escape("has 'exp(x)'")),
        ("log(x + 1)", re.escape("has 'log(x + 1)'")),
        ("C(x, contr.sum)", re.escape("has 'C(x, contr.sum)'")),
        ("{x}", "has '{'"),
        ("x[0]", re.escape("has '['")),
        ("(a + b)^99", re.escape("has '^99'")),
        ("a b", "is not a formula: Missing operator"),
        ("a +", "is not a formula"),
        ("(a", "is not a formula"),
        (".", "is not a formula"),
        ("2 * a", "is not a formula"),
        ("a:1", "has '1'"),
    ],
)
def test_other_formulas_are_refused(formula, message):
    with pytest.raises(UserError, match=message):
        parse_formula(formula)


def test_no_code_of_a_formula_is_run(tmp_path):
    target = tmp_path / "file"
    for formula in (
        f"open('{target}', 'w')",
        f"C(open('{target}', 'w'))",
        f"`x` + {{open('{target}', 'w')}}",
    ):
        with pytest.raises(UserError):
            parse_formula(formula)
    assert not target.exists()


def test_an_interaction_needs_its_parts_in_the_formula_or_the_covariates():
    terms = parse_formula("age + age:sex")
    with pytest.raises(UserError, match=re.escape("age:sex without the term sex")) as error:
        check_marginality(terms, ())
    assert "write age * sex" in str(error.value)
    check_marginality(terms, parse_formula("sex"))
    with pytest.raises(UserError, match="without the term a:c"):
        check_marginality(parse_formula("a*b + c + b:c + a:b:c"), ())
