"""People are trained on who have connectomes and task maps, in splits that keep families together."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.bids.measured_map_selection import StatmapFile
from bids_deeptaskgen.bids.output.connectome_files import ConnectomeFile, read_window
from bids_deeptaskgen.bids.participants_table import read_families
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_maps, save_nifti
from bids_deeptaskgen.io.npy import save_array
from bids_deeptaskgen.training.pairs import (
    check_targets,
    load_targets,
    make_pairs,
    nan_counts,
)
from bids_deeptaskgen.training.sampling import split_participants
from bids_deeptaskgen.training.split_file import group_labels_of, read_split, write_split
from tests.bids.trees import touch
from tests.bundles import ellipsoid

LABELS = ("faces", "shapes")
MASK = ellipsoid(0.5)


def connectome(subject, session=None, path=Path("none.npy"), entities=(("task", "rest"),), n_windows=2):
    return ConnectomeFile(path, subject, session, entities, n_windows, 3, 7, "r", "m", MODEL_GRID, 7.2, "s")


def statmap(subject, session=None, contrast="faces", path=Path("none.nii"), volume=None):
    return StatmapFile(subject, session, contrast, path, volume)


def paired(connectomes, statmaps, labels=("faces",), table=None):
    pairing = make_pairs(connectomes, statmaps, labels, table)
    return [(pair.name, next(iter(pair.statmaps.values())).session) for pair in pairing.pairs]


def test_unpaired_participants_are_logged_and_excluded(caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    participants = [connectome(f"0{number}") for number in (2, 1, 3)]
    maps = [statmap(f"0{number}", None, label) for number in (2, 3, 4) for label in LABELS]
    pairing = make_pairs(participants, [*maps, statmap("02", None, "other")], LABELS)
    assert [pair.name for pair in pairing.pairs] == ["sub-02", "sub-03"]
    assert {label: file.subject for label, file in pairing.pairs[0].statmaps.items()} == dict.fromkeys(
        LABELS, "02"
    )
    assert (pairing.only_connectomes, pairing.only_statmaps) == (("sub-01",), ("sub-04",))
    assert "connectomes but no measured maps: sub-01." in caplog.text
    assert "measured maps but no connectomes: sub-04." in caplog.text


def test_sessions_go_together_and_maps_of_no_session_go_with_all():
    two = [connectome("01", "a"), connectome("01", "b")]
    both = [statmap("01", "a"), statmap("01", "b")]
    assert paired(two, both) == [("sub-01 ses-a", "a"), ("sub-01 ses-b", "b")]
    assert paired(two, [statmap("01")]) == [("sub-01 ses-a", None), ("sub-01 ses-b", None)]
    assert paired(two, [statmap("01"), statmap("01", "b")]) == [("sub-01 ses-a", None), ("sub-01 ses-b", "b")]


def test_single_sessions_match_and_several_do_not():
    assert paired([connectome("01", "rest")], [statmap("01", "task")]) == [("sub-01 ses-rest", "task")]
    assert paired([connectome("01")], [statmap("01", "task")]) == [("sub-01", "task")]
    two = [connectome("01", "a"), connectome("01", "b")]
    assert paired(two, [statmap("01", "a")]) == [("sub-01 ses-a", "a")]
    with pytest.raises(InputError, match=r"sub-01\. .*: sub-01 ses-a, sub-01 ses-b"):
        make_pairs([connectome("01")], [statmap("01", "a"), statmap("01", "b")], ("faces",))


def test_runs_that_were_not_pooled_are_pairs_of_their_own():
    runs = [connectome("01", None, entities=(("task", "rest"), ("run", run))) for run in "12"]
    assert paired(runs, [statmap("01")]) == [("sub-01 run-1", None), ("sub-01 run-2", None)]


def test_a_contrast_without_any_map_is_refused():
    participants = [connectome("01"), connectome("02")]
    maps = [statmap("01"), statmap("02"), statmap("02", None, "shapes")]
    assert len(make_pairs(participants, maps, LABELS).pairs) == 2
    with pytest.raises(InputError, match=r"None of the 2 sessions .* motor, reward\.\n"):
        make_pairs(participants, maps, (*LABELS, "motor", "reward"))
    # Somebody without a connectome does not help.
    with pytest.raises(InputError, match=r"None of the 1 sessions .* shapes"):
        make_pairs(participants[:1], maps, LABELS)


def test_a_dataset_without_any_pair_is_refused():
    with pytest.raises(InputError, match=r"connectomes: sub-01\. .* maps: sub-11\."):
        make_pairs([connectome("01")], [statmap("11")], ("faces",))


def test_family_and_site_come_from_the_table_of_participants(tmp_path):
    table = touch(
        tmp_path / "participants.tsv",
        "participant_id\tsession_id\tFamily_ID\tsite\nsub-01\tses-1\tf1\tLeipzig\n02\tses-1\tn/a\t\n"
        "02\tses-2\tf1\tn/a\n",
    )
    assert read_families(table, ["01", "2"], with_sites=True) == {"01": ("f1", "Leipzig"), "2": ("f1", "")}
    assert read_families(tmp_path / "none.tsv", ["1"]) == read_families(None, ["1"]) == {"1": ("", "")}
    files = [connectome("01"), connectome("02"), connectome("03")]
    pairs = make_pairs(files, [statmap(one.subject) for one in files], ("faces",), table).pairs
    assert [(pair.family, pair.site) for pair in pairs] == [("f1", "Leipzig"), ("f1", ""), ("", "")]
    assert group_labels_of(pairs) == {"01": {"family f1"}, "02": {"family f1"}, "03": set()}
    assert group_labels_of(pairs, keep_sites=True)["01"] == {"family f1", "site Leipzig"}


def test_all_sessions_of_a_participant_are_in_one_split():
    files = [connectome(f"{number:02d}", session) for number in range(10) for session in "ab"]
    pairs = make_pairs(files, [statmap(one.subject) for one in files], ("faces",)).pairs
    assert len(pairs) == 20
    assert len(split_participants(group_labels_of(pairs))) == 10


def test_a_split_is_read_back_as_it_was_written(tmp_path):
    group_labels = {f"{number:02d}": {f"family {number // 2}"} for number in range(20)}
    split = split_participants(group_labels)
    write_split(tmp_path / "split.tsv", split)
    assert (tmp_path / "split.tsv").read_text().startswith("participant_id\tsplit\nsub-00\t")
    assert read_split(tmp_path / "split.tsv", group_labels) == split


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("sub-01\ttrain\nsub-02\ttest\nsub-01\ttest\n", r"line 4: sub-01 is in two splits, train and test"),
        ("sub-01\ttrain\n", r"1 participants are not in the table: sub-02"),
        ("", r"2 participants are not in the table: sub-01, sub-02"),
        (
            "sub-01\ttrain\nsub-02\tval\n",
            r"line 3: participant_id is 02, split is val\. .* train, validation, test",
        ),
        ("sub-01\ttrain\n\ttrain\n", r"line 3: participant_id is empty"),
        ("sub-01\ttrain\nn/a\ttrain\n", r"line 3: participant_id is n/a, split is train\. Write a label"),
        ("sub-01\ttrain\nsub-NaN\ttrain\n", r"line 3: participant_id is NaN"),
    ],
)
def test_a_split_that_does_not_fit_the_participants_is_refused(tmp_path, rows, words):
    table = touch(tmp_path / "split.tsv", "participant_id\tsplit\n" + rows)
    with pytest.raises(InputError, match=words):
        read_split(table, {"01": set(), "02": set()})


def test_participants_of_a_split_without_pairs_are_logged_and_excluded(tmp_path, caplog):
    table = touch(
        tmp_path / "split.tsv", "participant_id\tsplit\nsub-01\ttrain\nsub-02\ttest\nsub-03\ttest\n"
    )
    assert read_split(table, {"01": set(), "02": set()}) == {"01": "train", "02": "test"}
    assert "1 participants of the table have no connectomes" in caplog.text
    assert "sub-03" in caplog.text
    table.write_text("participant_id\tsplit\nsub-01\ttrain\nsub-03\ttest\nsub-03\ttrain\n")
    with pytest.raises(InputError, match="sub-03 is in two splits"):
        read_split(table, {"01": set()})


def test_a_split_that_divides_a_family_is_refused(tmp_path):
    table = touch(tmp_path / "split.tsv", "participant_id\tsplit\nsub-01\ttrain\n02\ttest\n")
    assert read_split(table, {"01": {"family 1"}, "02": {"family 2"}}) == {"01": "train", "02": "test"}
    with pytest.raises(InputError, match=r"sub-01 \(train\) and sub-02 \(test\) are both of family 1, but"):
        read_split(table, {"01": {"family 1"}, "02": {"family 1"}})


@pytest.fixture
def pair(tmp_path):
    """One participant with two windows, a map of its own, and one that is a volume of another image."""
    windows = np.arange(2 * 3 * 7, dtype=np.float32).reshape(2, 3, 7)
    save_array(tmp_path / "c.npy", windows)
    values = np.ones(OUTPUT_GRID.shape, np.float32)
    save_nifti(tmp_path / "a_space-MNI152NLin6Asym_statmap.nii.gz", values, OUTPUT_GRID.matrix)
    holes = 3 * values
    holes[45, 54, 40:45] = np.nan
    save_maps(tmp_path / "b_space-MNI152NLin6Asym_statmap.nii.gz", [2 * values, holes], 2, OUTPUT_GRID)
    paths = [tmp_path / f"{one}_space-MNI152NLin6Asym_statmap.nii.gz" for one in "ba"]
    maps = [
        statmap("01", None, "shapes", paths[0], 1), statmap("01", None, "faces", paths[1]),
        statmap("01", None, "avg", paths[0], 0),
    ]  # fmt: skip
    return make_pairs([connectome("01", path=tmp_path / "c.npy")], maps, ("shapes", "faces", "avg")).pairs[0]


def test_a_pair_is_a_window_and_the_maps_in_the_order_of_the_contrasts(pair):
    shown = read_window(pair.connectome, 1)
    targets = load_targets(pair, ("avg", "lacking", "faces", "shapes"), MASK)
    np.testing.assert_array_equal(shown, np.arange(21, 42).reshape(3, 7))
    assert shown.dtype == targets.dtype == np.float32
    assert targets.shape == (4, MASK.sum())
    assert [np.unique(row[~np.isnan(row)]).tolist() for row in targets] == [[2], [], [1], [3]]


def test_missing_values_are_counted_for_the_maps_that_are_there(pair, caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    labels = ("lacking", "faces", "shapes")
    targets = load_targets(pair, labels, MASK)
    assert nan_counts(pair, labels, targets) == {"shapes": 5}
    assert check_targets([pair], labels, MASK) == [("sub-01", "shapes", 5)]
    assert "1 measured maps have no value in some of the model's" in caplog.text
    assert "sub-01 shapes (5)" in caplog.text
    assert check_targets([pair], ("faces",), MASK) == []


def test_a_participant_without_any_contrast_has_nan_targets(pair):
    targets = load_targets(replace(pair, statmaps={}), LABELS, MASK)
    assert np.isnan(targets).all()


@pytest.mark.parametrize("ids", [("1", "2", "3", "4"), ("sub-001", "2", "sub-03", "004")])
def test_ids_of_tables_and_maps_are_those_of_the_connectomes_in_any_spelling(tmp_path, ids):
    families = "".join(f"{label}\t{family}\n" for label, family in zip(ids, "aabb", strict=True))
    table = touch(tmp_path / "families.tsv", "participant_id\tfamily_id\n" + families)
    files = [connectome(f"00{number}") for number in range(1, 5)]
    maps = [statmap(label.removeprefix("sub-")) for label in ids]
    pairs = make_pairs(files, maps, ("faces",), table).pairs
    assert [(pair.subject, pair.family) for pair in pairs] == [
        ("001", "a"), ("002", "a"), ("003", "b"), ("004", "b"),
    ]  # fmt: skip
    group_labels = group_labels_of(pairs)
    for seed in range(20):
        split = split_participants(group_labels, (0.5, 0.0, 0.5), seed)
        assert split["001"] == split["002"]
        assert split["003"] == split["004"]
    rows = "".join(
        f"{label}\t{name}\n" for label, name in zip(ids, ("train", "train", "test", "test"), strict=True)
    )
    split = read_split(touch(tmp_path / "split.tsv", "participant_id\tsplit\n" + rows), group_labels)
    assert split == {"001": "train", "002": "train", "003": "test", "004": "test"}
