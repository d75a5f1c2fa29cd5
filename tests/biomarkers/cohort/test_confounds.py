"""Designs of confounds: their columns, and confounds that are refused."""

from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.models.baselines import predict_from_confounds
from bids_deeptaskgen.biomarkers.models.cross_validation import ModelOptions, cross_validate
from bids_deeptaskgen.biomarkers.problem import TableFeatures
from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.cohort.cohorts import ages, problem_of
from tests.biomarkers.random_problems import kernel_of

N = 40
SEX = ["F", "M", "M", "F"] * 10


def design_of(folder, confounds, **options):
    return problem_of(folder, {"age": ages(), **confounds}, confounds=tuple(confounds), **options)[0].design


def test_without_confounds_the_design_is_ones(tmp_path):
    problem, _ = problem_of(tmp_path, {"age": ages()})
    np.testing.assert_array_equal(problem.design, np.ones((N, 1)))
    assert problem.confounds == ()


def test_numbers_are_standardised_and_each_category_has_an_indicator(tmp_path):
    fd = [str((n * 13 % N) ** 2) for n in range(N)]
    design = design_of(tmp_path, {"fd": fd, "sex": SEX, "site": ["3", "1", "2", "1"] * 10})
    assert design.shape == (N, 7)
    np.testing.assert_allclose([design[:, 1].mean(), design[:, 1].std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(np.corrcoef(design[:, 1], np.array(fd, float))[0, 1], 1)
    np.testing.assert_array_equal(design[:3, 2:], [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 1, 0, 1, 0]])


def test_numbers_that_are_declared_categories_get_indicators(tmp_path):
    scanner = ["1", "2", "3", "2"] * 10
    assert design_of(tmp_path, {"scanner": scanner}).shape == (N, 2)
    assert design_of(tmp_path, {"scanner": scanner}, categorical=("scanner",)).shape == (N, 4)


def test_a_confound_of_few_whole_numbers_gives_a_warning_unless_it_is_declared(tmp_path, caplog):
    text = "has the values 1, 2, 3, and is used as a number with a linear effect"
    columns = {
        "scanner": ["1", "2", "3", "2"] * 10,
        "sex": ["0", "1"] * 20,
        "years": [str(n * 17 % N) for n in range(N)],
    }
    design_of(tmp_path, columns)
    assert caplog.text.count(text) == caplog.text.count("linear effect") == 1
    caplog.clear()
    design_of(tmp_path, columns, categorical=("scanner",))
    assert "linear effect" not in caplog.text


@pytest.mark.parametrize("option", ["combat", "leave_one_site_out"])
def test_columns_of_sites_are_categorical_confounds(tmp_path, caplog, option):
    columns = {"scanner": ["1", "2", "3", "2"] * 10, "batch": ["1", "2", "4", "1", "2"] * 8}
    design = design_of(tmp_path, columns, **{option: "scanner"})
    assert design.shape == (N, 5)
    assert set(design[:, 1:4].ravel()) == {0, 1}
    assert "the confound batch has the values 1, 2, 4" in caplog.text
    assert "scanner" not in caplog.text


def test_participants_without_a_confound_are_excluded_and_listed(tmp_path):
    problem, exclusions = problem_of(
        tmp_path, {"age": ages(), "sex": ["n/a", "", *SEX[2:]]}, confounds=("sex",)
    )
    assert problem.n_participants == 38
    assert [(entry.participant, entry.reason) for entry in exclusions] == [
        ("001", "no value of sex"),
        ("002", "no value of sex"),
    ]


def test_dependent_confounds_give_a_warning(tmp_path, caplog):
    years = [str(n * 17 % N) for n in range(N)]
    months = [str(12 * int(year)) for year in years]
    design_of(tmp_path, {"years": years, "months": months})
    assert "columns of the confounds are combinations of others, and are dropped: months." in caplog.text


def test_the_indicators_of_a_category_give_no_warning_and_count_as_one_less(tmp_path, caplog):
    rng = np.random.default_rng(0)
    confounds = {f"c{k}": [str(code) for code in rng.permutation(N) % 3] for k in range(5)}
    categorical = tuple(confounds)
    assert design_of(tmp_path, confounds, categorical=categorical).shape == (N, 16)
    assert "dropped" not in caplog.text
    confounds |= {"sex": SEX}
    with pytest.raises(InputError, match="The confounds have 11 columns"):
        design_of(tmp_path, confounds, categorical=categorical)


@pytest.mark.parametrize("column", [None, "site"])
def test_names_of_sites_change_no_prediction(tmp_path, column):
    rng = np.random.default_rng(0)
    sites = np.repeat([0, 1, 2], [10, 12, 18])[rng.permutation(N)]
    fd = rng.normal(size=N)
    features = (rng.normal(size=(N, 2)) + sites[:, None]).astype(np.float32)
    age = 40 + 5 * sites + fd + features[:, 0] + rng.normal(size=N)
    predictions = []
    for names in ("ABC", "BCA", "CBA"):
        columns = {"age": age, "site": [names[site] for site in sites], "fd": fd}
        options = {"confounds": ("site", "fd"), "leave_one_site_out": column}
        problem, _ = problem_of(tmp_path, columns, **options)
        # Rows keep their folds, whatever the order of the names of sites.
        folds = replace(problem.folds, numbers=sites[None]) if column else problem.folds
        problem = replace(problem, folds=folds)
        table = TableFeatures("t", problem.participants, ("a", "b"), features)
        predictions.append(
            [
                predict_from_confounds(problem).values,
                *(
                    cross_validate(problem, item, ModelOptions())[0].values
                    for item in (table, kernel_of(table))
                ),
            ]
        )
    np.testing.assert_allclose(predictions[1], predictions[0], atol=1e-8)
    np.testing.assert_allclose(predictions[2], predictions[0], atol=1e-8)


def test_a_category_of_one_participant_gives_a_warning(tmp_path, caplog):
    design_of(tmp_path, {"sex": ["X", *SEX[1:]]})
    assert "the confound sex: categories of one participant cannot be separated" in caplog.text
    assert caplog.text.rstrip().endswith("X.")


@pytest.mark.parametrize(
    ("confounds", "message"),
    [
        ({"fd": ["0.2"] * N}, r"the confound fd is constant: all 40 participants .* have 0.2.*`confounds`"),
        ({"sex": ["F"] * N}, r"the confound sex is constant: all 40 participants of the analysis have F"),
        ({"town": [f"town {n // 2}" for n in range(N)]}, r"town has 20 categories .* at most 8 are possible"),
        (
            {f"c{k}": [str((n * (k + 3)) % 41) for n in range(N)] for k in range(11)},
            r"The confounds have 11 columns \(c0, .*\) for the 40 participants .* at most 10 are possible",
        ),
        (
            {"years": [f"{float(age) + 0.001 * (n % 2)}" for n, age in enumerate(ages())]},
            r"the confound years determines the target age \(R2 = 1.0000\).*under another name",
        ),
        (
            {"a": ["1"] + ["0"] * 39, "b": [str(float(age) - (n == 0)) for n, age in enumerate(ages())]},
            r"determines? the target age",
        ),
        ({"fd": ["high", *ages()[:-1]]}, r"the confound fd has text where numbers are needed, for 1 of 40"),
        ({"fd": ["inf", *ages()[:-1]]}, r"the confound fd is infinite in 1 cell: 'inf' \(sub-001\)"),
        ({"sex": ["f", *SEX[1:]]}, r"the confound sex has 'F' and 'f', which differ in letter case only"),
    ],
)
def test_unusable_confounds_are_refused(tmp_path, confounds, message):
    with pytest.raises(InputError, match=f"(?s){message}"):
        design_of(tmp_path, confounds)


def test_confounds_that_determine_the_target_together_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    birth = rng.permutation(N)
    scan = [str(int(age) + int(year)) for age, year in zip(ages(), birth, strict=True)]
    confounds = {"birth": list(map(str, birth)), "scan": scan}
    with pytest.raises(InputError, match="The confounds birth, scan together determine the target age"):
        design_of(tmp_path, confounds)


def test_a_confound_that_determines_a_category_is_refused(tmp_path):
    columns = {"age": ["HC", "MDD", "MDD", "HC"] * 10, "patient": ["0", "1", "1", "0"] * 10}
    with pytest.raises(InputError, match="the confound patient determines the target age"):
        problem_of(tmp_path, columns, confounds=("patient",))


def test_a_constant_among_the_participants_of_the_analysis_is_refused(tmp_path):
    columns = {"age": [*ages()[:30], *["n/a"] * 10], "scanner": ["1"] * 30 + ["2"] * 10}
    with pytest.raises(InputError, match="the confound scanner is constant: all 30 participants"):
        problem_of(tmp_path, columns, confounds=("scanner",))


def test_a_target_is_no_confound_under_its_short_name(tmp_path):
    columns = {"fd_mean_mm": ages()}
    with pytest.raises(InputError, match=r"the target fd_mean_mm is also the confound mean_fd"):
        problem_of(tmp_path, columns, name="fd_mean_mm", confounds=("mean_fd",))


def test_too_few_participants_with_all_confounds_are_counted_step_by_step(tmp_path):
    columns = {
        "age": ["n/a"] * 5 + ages()[5:],
        "sex": SEX[:30] + ["n/a"] * 10,
        "fd": ["n/a"] * 12 + ages()[12:],
    }
    message = (
        r"18 participants, and at least 20 are needed: 40 participants with all features, of these 35 with "
        r"age, of these 25 with sex, of these 18 with fd"
    )
    with pytest.raises(InputError, match=message):
        problem_of(tmp_path, columns, confounds=("sex", "fd"))


def test_an_unknown_confound_is_refused_with_short_names(tmp_path):
    with pytest.raises(
        UserError, match=r"`confounds` names the column sexx.*Columns: age, fd_mean_mm\. Short names"
    ):
        problem_of(tmp_path, {"age": ages(), "fd_mean_mm": ages()}, confounds=("sexx",))
