"""Cohorts: selection, spellings of labels, and one reason for each excluded participant."""

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.cohort.exclusions import exclusion_rows, summarise_exclusions
from bids_deeptaskgen.biomarkers.cohort.problems import make_problem
from bids_deeptaskgen.biomarkers.cohort.selection import gather_cohort
from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.cohort.cohorts import ages, labels, settings_for, write_table

N = 40


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "participants.tsv", {"age": ages()})


def cohort_of(folder, features, reasons=None, **options):
    return gather_cohort(settings_for(folder, **options), features, reasons=reasons)


def reasons_of(cohort):
    return {entry.participant: entry.reason for entry in cohort.exclusions}


def test_labels_are_joined_whatever_their_spelling(table, tmp_path):
    features = {
        "wm": labels()[::-1],
        "idps": [str(number) for number in range(1, N + 1)],
        "fc": [f"sub-{label}" for label in labels()],
    }
    cohort = cohort_of(tmp_path, features)
    assert cohort.participants == tuple(labels())
    assert cohort.exclusions == ()
    np.testing.assert_array_equal(cohort.feature_rows("wm", ["001", "040"]), [39, 0])
    np.testing.assert_array_equal(cohort.feature_rows("idps", ["001", "040"]), [0, 39])
    np.testing.assert_array_equal(cohort.feature_rows("fc", ["002"]), [1])
    problem, _ = make_problem(settings_for(tmp_path), cohort, "age")
    assert problem.target.values[:2].tolist() == [20, 27]


def test_ambiguous_labels_are_refused(table, tmp_path):
    with pytest.raises(InputError, match="features idps: sub-001 may be 1 or 01"):
        cohort_of(tmp_path, {"wm": labels(), "idps": ["1", "01"]})


def test_features_with_two_rows_of_a_participant_are_refused(table, tmp_path):
    with pytest.raises(InputError, match="Features wm: several rows belong to sub-001"):
        cohort_of(tmp_path, {"wm": ["001", "sub-001"]})


def test_each_excluded_participant_has_the_first_reason_that_applies(table, tmp_path):
    write_table(tmp_path / "participants.tsv", {"age": [*ages()[:-1], "n/a"]})
    features = {"wm": labels()[:-2] + ["900", labels()[-1]], "fc": ["901", *labels()[1:-2], labels()[-1]]}
    reasons = {"wm": {"901": "the map is empty"}, "fc": {"001": "no connectome of ses-2"}}
    settings = settings_for(tmp_path, exclude_participant_label=("002", "900"))
    cohort = gather_cohort(settings, features, reasons=reasons)
    assert reasons_of(cohort) == {
        "002": "not selected",
        "900": "not selected",
        "001": "no features of fc: no connectome of ses-2",
        "039": "no features",
        "901": "no features of wm: the map is empty",
    }
    problem, exclusions = make_problem(settings, cohort, "age")
    rows = exclusion_rows([*exclusions, *exclusions])
    assert len(rows) == len({row["participant_id"] for row in rows}) == 6
    assert {"target": "age", "participant_id": "sub-040", "reason": "no value of age"} in rows
    assert {row["target"] for row in rows} == {"all", "age"}
    sentence = summarise_exclusions(exclusions, problem.n_participants)
    assert sentence.startswith(f"4 of {problem.n_participants + 4} participants were excluded: ")
    assert "1 without age" in sentence
    assert "1 without features of fc" in sentence


def test_participants_with_features_but_without_a_row_are_excluded(table, tmp_path):
    cohort = cohort_of(tmp_path, {"wm": [*labels(), "900"]})
    assert reasons_of(cohort) == {"900": "no row in a table of participants"}


def test_a_participant_without_a_row_in_the_table_of_the_target_is_told_from_a_missing_cell(table, tmp_path):
    path = write_table(tmp_path / "pheno.tsv", {"iq": ["n/a", *ages()[1:-1]]}, labels()[:-1])
    settings = settings_for(tmp_path, phenotype=(path,))
    _, exclusions = make_problem(settings, gather_cohort(settings, {"wm": labels()}), "iq")
    assert [entry.reason for entry in exclusions] == [
        "no value of iq",
        "no value of iq (no row in pheno.tsv)",
    ]


def test_selected_participants_are_found_in_any_spelling(table, tmp_path, caplog):
    cohort = cohort_of(tmp_path, {"wm": labels()}, participant_label=("1", "sub-002", "003", "777"))
    assert cohort.participants == ("001", "002", "003")
    assert (
        "`participant_label`: 1 participants have neither features nor a row in a table: sub-777"
        in caplog.text
    )
    assert set(reasons_of(cohort).values()) == {"not selected"}


def test_a_selection_of_no_participant_is_refused(table, tmp_path):
    with pytest.raises(UserError, match=r"None of the participants of `participant_label` \(sub-777\)"):
        cohort_of(tmp_path, {"wm": labels()}, participant_label=("777",))


def test_excluded_participants_are_found_in_any_spelling(table, tmp_path):
    cohort = cohort_of(tmp_path, {"wm": labels()}, exclude_participant_label=("1", "002"))
    assert cohort.participants == tuple(labels()[2:])


def test_features_of_different_participants_are_refused_with_counts(table, tmp_path):
    with pytest.raises(InputError, match="No selected participant has all features: 20 with wm, 20 with fc"):
        cohort_of(tmp_path, {"wm": labels()[:20], "fc": labels()[20:]})


def test_a_table_of_different_participants_is_refused(tmp_path):
    write_table(tmp_path / "participants.tsv", {"age": ages()}, [f"other{n}" for n in range(N)])
    with pytest.raises(
        InputError, match=r"participants.tsv: has no row of any of the 40 participants with feat"
    ):
        cohort_of(tmp_path, {"wm": labels()})


def test_participants_without_any_features_are_listed_once_for_all_targets(table, tmp_path):
    cohort = cohort_of(tmp_path, {"wm": labels()[:30], "fc": labels()[:30]})
    assert {entry.target for entry in cohort.exclusions} == {"all"}
    assert set(reasons_of(cohort).values()) == {"no features"}
    assert len(cohort.exclusions) == 10
