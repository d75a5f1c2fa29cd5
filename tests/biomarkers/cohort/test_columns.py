"""Columns of several tables, of sessions and of runs, by their names and short names."""

import pytest

from bids_deeptaskgen.bids.participants_table import read_rows
from bids_deeptaskgen.biomarkers.cohort.problems import make_problem
from bids_deeptaskgen.biomarkers.cohort.selection import gather_cohort
from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.cohort.cohorts import ages, labels, problem_of, settings_for, write_table

N = 40


def values_of(folder, columns, ids, *, name="age", **options):
    """Return the values of a target in a table with several rows per participant."""
    write_table(folder / "participants.tsv", columns, ids)
    settings = settings_for(folder, **options)
    return make_problem(settings, gather_cohort(settings, {"wm": labels(N)}), name)[0].target.values


def session_rows(first, second):
    """Return columns and ids of two sessions."""
    return {"session_id": ["ses-1"] * N + ["ses-2"] * N, "age": [*first, *second]}, [
        f"sub-{label}" for label in labels(N) * 2
    ]


def test_the_first_table_with_a_column_wins(tmp_path):
    write_table(tmp_path / "participants.tsv", {"age": ages(), "sex": ["F", "M"] * 20})
    older = [str(100 + int(age)) for age in ages()]
    write_table(tmp_path / "phenotype" / "a.tsv", {"age": older}, ids=labels())
    write_table(tmp_path / "store.tsv", {"age": ["1"] * N, "fd_mean_mm": [str(n) for n in range(N)]})
    settings = settings_for(
        tmp_path, phenotype=(tmp_path / "phenotype" / "a.tsv",), confounds=("sex", "mean_fd")
    )
    cohort = gather_cohort(settings, {"wm": labels()}, [read_rows(tmp_path / "store.tsv")])
    problem, _ = make_problem(settings, cohort, "age")
    assert problem.target.values.tolist() == [float(age) for age in older]
    assert problem.confounds == ("sex", "fd_mean_mm")


def test_the_tables_of_the_features_suffice(tmp_path):
    write_table(tmp_path / "store.tsv", {"age": ages()})
    settings = settings_for(tmp_path, participants_tsv=None)
    cohort = gather_cohort(settings, {"wm": labels()}, [read_rows(tmp_path / "store.tsv")])
    assert make_problem(settings, cohort, "age")[0].n_participants == N


def test_no_table_at_all_is_refused(tmp_path):
    with pytest.raises(UserError, match="Name the table with the targets in `participants_tsv`"):
        gather_cohort(settings_for(tmp_path, participants_tsv=None), {"wm": labels()})


@pytest.mark.parametrize("parameter", ["participants_tsv", "phenotype"])
def test_a_table_that_does_not_exist_is_refused(tmp_path, parameter):
    path = tmp_path / "none.tsv"
    write_table(tmp_path / "participants.tsv", {"age": ages()})
    settings = settings_for(tmp_path, **{parameter: (path,) if parameter == "phenotype" else path})
    with pytest.raises(UserError, match=rf"`{parameter}` .*none.tsv: no such file"):
        gather_cohort(settings, {"wm": labels()})


def test_sessions_are_averaged_or_selected(tmp_path):
    first, second = ages(), [str(int(age) + 2) for age in ages()]
    columns, ids = session_rows(first, second)
    expected = [float(age) for age in first]
    assert values_of(tmp_path, columns, ids).tolist() == [age + 1 for age in expected]
    assert values_of(tmp_path, columns, ids, session_label="1").tolist() == expected
    assert values_of(tmp_path, columns, ids, session_label="02").tolist() == [age + 2 for age in expected]


def test_runs_of_a_session_count_as_much_as_one_run(tmp_path):
    columns = {"session_id": ["ses-1", "ses-1", "ses-2"] * N, "run": ["1", "2", "1"] * N}
    ids = [label for label in labels(N) for _ in range(3)]
    columns["age"] = [str(value + 10 * n) for n in range(N) for value in (0, 2, 5)]
    assert values_of(tmp_path, columns, ids).tolist() == [3 + 10.0 * n for n in range(N)]


def test_minutes_are_added_over_runs(tmp_path):
    columns = {"run": ["1", "2"] * N, "minutes_kept": [str(n + 1) for n in range(N) for _ in range(2)]}
    ids = [label for label in labels(N) for _ in range(2)]
    assert values_of(tmp_path, columns, ids, name="minutes").tolist() == [2.0 * (n + 1) for n in range(N)]


def test_rows_of_sessions_take_precedence_over_rows_without_a_session(tmp_path):
    columns, ids = session_rows(ages(), ages())
    columns["session_id"] = ["n/a"] * N + ["ses-2"] * N
    columns["age"] = ["99"] * N + [*ages()[:-1], "n/a"]
    expected = [*map(float, ages()[:-1]), 99]
    assert values_of(tmp_path, columns, ids).tolist() == expected
    assert values_of(tmp_path, columns, ids, session_label="2").tolist() == expected[:-1]


def test_rows_without_a_session_hold_for_all_sessions(tmp_path, caplog):
    columns, ids = session_rows(["99"] * N, ages())
    columns["session_id"] = ["ses-1"] * N + ["n/a"] * N
    assert values_of(tmp_path, columns, ids, session_label="2").tolist() == [float(age) for age in ages()]
    assert "other sessions" not in caplog.text


def test_values_of_a_session_without_rows_come_from_others_with_a_warning(tmp_path, caplog):
    columns, ids = session_rows(ages(), ages())
    columns = {name: cells[: N + 30] for name, cells in columns.items()}
    values_of(tmp_path, columns, ids[: N + 30], session_label="2")
    assert "10 participants have no row of ses-2; age of their other sessions is used: sub-031" in caplog.text


def test_categories_that_differ_between_sessions_are_refused(tmp_path):
    columns, ids = session_rows(["F", "M"] * 20, ["M", *["M", "F"] * 19, "M"])
    with pytest.raises(
        InputError, match=r"the target age differs between the rows of sub-001: F, M.*\n.*session"
    ):
        values_of(tmp_path, columns, ids)


def test_two_valued_numbers_are_not_averaged_over_sessions(tmp_path):
    columns, ids = session_rows(["0", "1"] * 20, ["1", *["1", "0"] * 19, "1"])
    with pytest.raises(InputError, match=r"differs between the rows of sub-001: 0, 1"):
        values_of(tmp_path, columns, ids)


def test_rows_of_a_participant_that_differ_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"sub-001 has 2 rows with different values of age \(20, 99\)"):
        values_of(tmp_path, {"age": [*ages(), "99"]}, [*labels(N), "001"])


def test_missing_values_have_many_spellings(tmp_path):
    words = ["n/a", "NA", "", "NaN", "null", "#N/A"]
    problem, exclusions = problem_of(tmp_path, {"age": [*words, *ages()[6:]], "x": ["1"] * N})
    assert problem.n_participants == len(problem.target.values) == N - 6
    assert [entry.reason for entry in exclusions] == ["no value of age"] * 6


def test_a_table_without_any_participant_of_the_features_is_refused(tmp_path):
    write_table(tmp_path / "participants.tsv", {"sex": ["F"] * N})
    write_table(tmp_path / "pheno.tsv", {"age": ages()}, [f"other{n}" for n in range(N)])
    settings = settings_for(tmp_path, phenotype=(tmp_path / "pheno.tsv",))
    with pytest.raises(
        InputError, match=r"pheno.tsv: has the column age, but no row of any participant with"
    ):
        make_problem(settings, gather_cohort(settings, {"wm": labels()}), "age")
