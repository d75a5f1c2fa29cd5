"""Problems: participants, families, sites and folds of a target."""

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.cohort.problems import make_problem
from bids_deeptaskgen.biomarkers.cohort.selection import gather_cohort
from bids_deeptaskgen.biomarkers.splits import write_folds
from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.cohort.cohorts import ages, labels, problem_of, settings_for, write_table

N = 40
FAMILIES = [str(number // 2) for number in range(N)]
SITES = ["A", "A", "B", "B"] * 10


def test_all_parts_of_a_problem_belong_to_the_same_participants(tmp_path):
    columns = {
        "age": ["n/a", *ages()[1:]],
        "sex": ["F", "n/a", *["M", "F"] * 19],
        "site": [*["A", "B"] * 19, "n/a", "A"],
        "family_id": FAMILIES,
    }
    problem, exclusions = problem_of(tmp_path, columns, confounds=("sex",), combat="site")
    assert problem.participants == tuple(label for label in labels() if label not in ("001", "002", "039"))
    sizes = {len(problem.target.values), len(problem.families), len(problem.design), len(problem.sites)}
    assert sizes == {problem.folds.numbers.shape[1]} == {N - 3}
    assert {entry.reason for entry in exclusions} == {
        "no value of age",
        "no value of sex",
        "no value of site",
    }
    assert problem.sites[:2] == ("A", "B")
    np.testing.assert_array_equal(problem.folds.families, problem.families)


@pytest.mark.parametrize("column", ["family_id", "Family_ID"])
def test_relatives_share_a_number_and_a_fold(tmp_path, column):
    problem, _ = problem_of(tmp_path, {"age": ages(), column: FAMILIES})
    assert len(set(problem.families)) == N // 2
    np.testing.assert_array_equal(problem.families[::2], problem.families[1::2])
    np.testing.assert_array_equal(problem.folds.numbers[:, ::2], problem.folds.numbers[:, 1::2])


def test_participants_without_a_family_are_unrelated_with_a_warning(tmp_path, caplog):
    problem, _ = problem_of(tmp_path, {"age": ages(), "family_id": [*FAMILIES[:-4], *["n/a"] * 4]})
    assert len(set(problem.families)) == N // 2 + 2
    assert "the column of families family_id has no value for 4 of 40 participants" in caplog.text


def test_without_a_column_of_families_all_are_unrelated(tmp_path):
    problem, _ = problem_of(tmp_path, {"age": ages()})
    assert len(set(problem.families)) == N
    assert problem.family_column == ""


def test_a_problem_names_the_column_of_its_families(tmp_path):
    problem, _ = problem_of(tmp_path, {"age": ages(), "Family_ID": FAMILIES})
    assert (problem.family_column, problem.has_relatives) == ("Family_ID", True)


def test_a_requested_column_of_families_must_exist(tmp_path):
    with pytest.raises(UserError, match="`family_column` names the column mother"):
        problem_of(tmp_path, {"age": ages()}, family_column="mother")


def test_a_participant_of_two_families_is_refused(tmp_path):
    columns = {
        "session_id": ["ses-1"] * N + ["ses-2"] * N,
        "age": ages() * 2,
        "family_id": FAMILIES + ["x", *FAMILIES[1:]],
    }
    write_table(tmp_path / "participants.tsv", columns, labels() * 2)
    settings = settings_for(tmp_path)
    with pytest.raises(InputError, match=r"has several families for sub-001 \(0, x\)"):
        make_problem(settings, gather_cohort(settings, {"wm": labels()}), "age")


def test_families_hold_for_all_sessions(tmp_path):
    columns = {
        "session_id": ["ses-1"] * N + ["ses-2"] * N,
        "age": ages() * 2,
        "family_id": FAMILIES + ["n/a"] * N,
    }
    write_table(tmp_path / "participants.tsv", columns, labels() * 2)
    settings = settings_for(tmp_path, session_label="2")
    problem, _ = make_problem(settings, gather_cohort(settings, {"wm": labels()}), "age")
    assert len(set(problem.families)) == N // 2


@pytest.mark.parametrize("name", ["Dx1", "sex"])
def test_a_categorical_column_that_is_neither_target_nor_confound_is_refused(tmp_path, name):
    columns = {"dx": ["0", "1", "2", "1"] * 10, "sex": ["F", "M"] * 20}
    with pytest.raises(UserError, match=rf"`categorical` names {name}, which is neither .* confound \(dx\)"):
        problem_of(tmp_path, columns, name="dx", target=("dx",), categorical=(name,))


@pytest.mark.parametrize("name", ["fd_mean_mm", "mean_fd"])
def test_a_categorical_column_is_found_under_its_short_name(tmp_path, name):
    columns = {"fd_mean_mm": ["0", "1", "2", "1"] * 10}
    for target in ("fd_mean_mm", "mean_fd"):
        problem, _ = problem_of(tmp_path, columns, name=target, target=(target,), categorical=(name,))
        assert problem.target.levels == ("0", "1", "2")
    columns["age"] = ages()
    problem, _ = problem_of(tmp_path, columns, confounds=("mean_fd",), categorical=(name,))
    assert problem.design.shape == (N, 4)


def test_sites_are_folds(tmp_path):
    problem, _ = problem_of(tmp_path, {"age": ages(), "site_id": SITES}, leave_one_site_out="site")
    assert problem.folds.numbers.tolist() == [[0, 0, 1, 1] * 10]
    assert problem.sites is None


def test_folds_of_an_earlier_result_are_used_again(tmp_path):
    columns = {"age": ages(), "family_id": FAMILIES}
    problem, _ = problem_of(tmp_path, columns, seed=5)
    write_folds(tmp_path / "folds.tsv", problem)
    stored, _ = problem_of(tmp_path, columns, splits=tmp_path / "folds.tsv")
    np.testing.assert_array_equal(stored.folds.numbers, problem.folds.numbers)


def test_stored_folds_must_not_divide_a_family(tmp_path):
    write_table(tmp_path / "folds.tsv", {"fold": ["1", "2"] * 20})
    with pytest.raises(
        InputError, match=r"divides families between folds: family 0 with sub-001 \(fold 1\), sub-0"
    ):
        problem_of(tmp_path, {"age": ages(), "family_id": FAMILIES}, splits=tmp_path / "folds.tsv")


def test_a_stored_fold_of_one_participant_is_refused(tmp_path):
    write_table(tmp_path / "folds.tsv", {"fold": ["1", "2"] * 19 + ["2", "3"]})
    with pytest.raises(InputError, match=r"Fold 3 of repeat 1 .* has 1 participant .*\n.*table of `splits`"):
        problem_of(tmp_path, {"age": ages()}, splits=tmp_path / "folds.tsv")


def test_one_site_with_combat_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has one site, A, in all 40 participants .*ComBat has nothing"):
        problem_of(tmp_path, {"age": ages(), "site": ["A"] * N}, combat="site")


def test_a_site_that_training_participants_lack_is_refused_for_combat(tmp_path):
    columns = {"age": ages(), "site": ["A"] * 20 + ["B"] * 17 + ["C"] * 3}
    with pytest.raises(InputError, match=r"fewer than 2, so ComBat cannot estimate .*: C \(3 participants\)"):
        problem_of(tmp_path, columns, combat="site")


@pytest.mark.parametrize(("n", "is_refused"), [(3, True), (4, False)])
def test_training_participants_of_inner_folds_need_two_of_each_site_for_combat(tmp_path, n, is_refused):
    # Each participant of site B is in another fold, and the training set of an inner fold lacks two folds.
    write_table(tmp_path / "folds.tsv", {"fold": [str(number % 4) for number in range(N)]})
    columns = {"age": ages(), "site": ["B"] * (n - 1) + ["A"] * (N - n) + ["B"]}
    options = {"combat": "site", "splits": tmp_path / "folds.tsv"}
    if is_refused:
        with pytest.raises(InputError, match=r"ComBat cannot estimate their effect: B \(3 participants\)"):
            problem_of(tmp_path, columns, **options)
    else:
        assert problem_of(tmp_path, columns, **options)[0].sites.count("B") == n


def test_a_target_that_families_of_different_sizes_share_has_few_permutations(tmp_path, caplog):
    sizes = [4, 5, 6, 7, 8, 9, 1]
    families = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    shared = {"age": [str(30 + int(number)) for number in families], "family_id": families}
    problem_of(tmp_path, shared, n_folds=2)
    assert (
        "Target age: within and between families of equal size, it has 1 different permutations"
        in caplog.text
    )
    caplog.clear()
    problem_of(tmp_path, {"age": ages(), "family_id": families}, n_folds=2)
    problem_of(tmp_path, shared, n_folds=2, n_permutations=0)
    assert "different permutations" not in caplog.text


def test_the_log_has_a_sentence_on_exclusions(tmp_path, caplog):
    caplog.set_level("INFO", "bids_deeptaskgen")
    problem_of(tmp_path, {"age": ["n/a", *ages()[1:]]}, features={"wm": labels()[:-2]})
    assert (
        "Target age: 3 of 40 participants were excluded: 2 without features of wm, 1 without age."
        in caplog.text
    )
