"""All sets of maps of a participant are compared, whatever pages show them."""

from itertools import combinations

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.report.reading import session_agreement
from bids_deeptaskgen.report.reading.session_agreement import compare_results, describe_agreement, set_kind

SHAPE = (4, 5, 6)
REST = (("task", "rest"),)


def result_of(session=None, contrasts=("a",), entities=REST):
    return Result("01", session, entities, {}, "s" * 64, Maps("3d", tuple(contrasts)))


def volume(session, label, hole=False):
    seed = [ord(character) for character in f"{session}{label}"]
    values = np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32) + 3
    values[0] = 0
    values[1, 0] = 0 if hole else values[1, 0]
    return values


@pytest.fixture
def reads(monkeypatch):
    """Replace the reading of maps; return the labels that were read by session."""
    calls = []

    def read(self, _output, contrasts, _kind="statmap"):
        calls.extend((self.session, label) for label in contrasts)
        return np.stack([volume(self.session, label, hole=self.session == "hole") for label in contrasts])

    monkeypatch.setattr(Result, "read", read)
    return calls


def r_of(first, second):
    voxels = (first != 0) & (second != 0)
    return np.corrcoef(first[voxels], second[voxels])[0, 1]


@pytest.mark.parametrize("sessions", [("1", "2", "3"), ("1", "hole", "3")])
def test_each_pair_is_correlated_where_both_maps_have_values(reads, tmp_path, sessions):
    agreement = compare_results(tmp_path, [result_of(session) for session in sessions], None)
    assert len(agreement.by_contrast["a"]) == 3
    for first, second in combinations(sessions, 2):
        pair = (f"ses-{first} task-rest", f"ses-{second} task-rest")
        expected = r_of(*(volume(name, "a", hole=name == "hole") for name in (first, second)))
        assert agreement.by_contrast["a"][pair] == pytest.approx(expected, abs=1e-5)


def test_each_map_of_many_sessions_is_read_once_and_a_page_has_the_pairs_of_its_sets(
    reads, tmp_path, monkeypatch
):
    monkeypatch.setattr(session_agreement, "N_MAPS_IN_MEMORY", 5)
    results = [result_of(str(number), ("a", "b", "c")) for number in range(5)]
    agreement = compare_results(tmp_path, results, None)
    assert len(reads) == len(set(reads)) == 15
    measures, by_contrast = describe_agreement(agreement, ["ses-2 task-rest"])
    assert [measure.name for measure in measures] == ["all_pairs_r", *["session_r"] * 4]
    assert "All 10 pairs of sessions" in measures[0].title
    assert all("ses-2 task-rest" in pair for row in by_contrast.values() for pair in row)
    assert {len(row) for row in by_contrast.values()} == {4}


def test_pairs_are_those_of_all_contrasts(reads, tmp_path):
    results = [result_of("1", ("a",)), result_of("2", ("a", "b")), result_of("3", ("b",))]
    agreement = compare_results(tmp_path, results, None)
    measures, by_contrast = describe_agreement(agreement, [f"ses-{n} task-rest" for n in (1, 2, 3)])
    assert [measure.value is None for measure in measures[1:]] == [False, True, False]
    assert list(by_contrast) == ["a", "b"]
    assert list(by_contrast["a"]) != list(by_contrast["b"])


def test_a_single_set_has_nothing_to_compare(reads, tmp_path):
    assert compare_results(tmp_path, [result_of()], None) is None
    assert describe_agreement(None, ["task-rest"]) == ([], {})


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ([("1", REST), ("2", REST)], "session"),
        ([(None, (*REST, ("run", "1"))), (None, (*REST, ("run", "2")))], "run"),
        ([(None, (*REST, ("dir", "AP"))), (None, (*REST, ("dir", "PA")))], "run"),
        ([(None, REST), (None, (("task", "movie"),))], "task"),
        ([("1", REST), ("2", (*REST, ("run", "1")))], "set of maps"),
    ],
)
def test_sets_are_called_by_what_differs(reads, tmp_path, names, kind):
    results = [result_of(session, entities=entities) for session, entities in names]
    assert set_kind(results) == kind
    measures, _ = describe_agreement(compare_results(tmp_path, results, None), [])
    kinds = "sets of maps" if " " in kind else f"{kind}s"
    assert all(kinds in measure.explanation for measure in measures)
