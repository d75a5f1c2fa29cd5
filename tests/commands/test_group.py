"""The group level reads an output dataset alone, and says who is missing."""

import json
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.completion import write_completion
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.commands import group
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from bids_deeptaskgen.settings.group import GroupSettings

LABELS = ("wm2bk", "motorLh")
VOXEL, EDGE = (40, 50, 30), (41, 50, 30)


def add_session(output, subject, session, value, *, settings_hash="a" * 64, run=None):
    """Write a finished session: every map has a value at a voxel, and only sub-01 at another."""
    entities_of = (("task", "rest"), *([("run", run)] if run else []))
    names = {"subject": subject, "session": session, "entities": entities_of}
    files = []
    for factor, label in enumerate(LABELS, start=1):
        volume = np.zeros(OUTPUT_GRID.shape, np.float32)
        volume[VOXEL] = factor * value
        volume[EDGE] = 5.0 if subject == "01" else 0.0
        path = output_path(output, "statmap", contrast=label, **names)
        save_nifti(path, volume, OUTPUT_GRID.matrix)
        contrast = {
            "Label": label,
            "SourceName": label.upper(),
            "Task": "WM",
            "TypicalRetestCorrelation": 0.1,
            "Units": "z",
        }
        write_json(sidecar_path(path), {"DeepTaskGen": {"Contrast": contrast}})
        files += [path, sidecar_path(path)]

    class Session:
        entities = entities_of

    Session.subject, Session.session = subject, session
    metrics = {"minutes_kept": 8.0 + value, "n_regressors": [3, 4], "typicality": None}
    write_completion(output, Session, metrics, files=files, settings_hash=settings_hash, fingerprint="f")


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "out"
    add_session(folder, "01", "a", 1.0)
    add_session(folder, "01", "b", 3.0)
    add_session(folder, "02", "a", 6.0)
    write_tsv(
        folder / "participants.tsv", {"participant_id": ["sub-01", "sub-02", "sub-03"], "age": [30, 40, 50]}
    )
    log = {"participant_id": ["sub-02", "sub-04"], "session_id": ["ses-b", None]}
    log |= {"status": ["failed", "crashed"], "n_maps": [0, 0], "reason": ["too short", "surprise"]}
    write_tsv(folder / "logs" / "20260101T000000-x-1_participants.tsv", log)
    return folder


def run(output, *participants, **changes):
    folders = {"bids_dir": output.parent / "absent", "output_dir": output}
    return group.run(GroupSettings(**folders, participant_label=participants, **changes))


def read_map(output, stat, label):
    path = output_path(output, "group_statmap", entities=[("task", "rest")], contrast=label, stat=stat)
    image = nib.load(path)
    np.testing.assert_array_equal(image.affine, OUTPUT_GRID.matrix)
    return np.asarray(image.dataobj), json.loads(sidecar_path(path).read_text())


@pytest.mark.parametrize(("label", "factor"), [("wm2bk", 1), ("motorLh", 2)])
def test_sessions_are_averaged_before_participants(output, label, factor):
    assert run(output) == 0
    mean, sidecar = read_map(output, "mean", label)
    sd, _ = read_map(output, "sd", label)
    count, _ = read_map(output, "count", label)
    assert mean[VOXEL] == pytest.approx(factor * (2 + 6) / 2)
    assert sd[VOXEL] == pytest.approx(factor * np.std([2, 6], ddof=1))
    assert (count[VOXEL], count[EDGE], count.sum()) == (2, 1, 3)
    assert (mean[EDGE], sd[EDGE]) == (5, 0)
    assert sidecar["DeepTaskGen"]["NumberOfParticipants"] == 2
    assert "not a test statistic" in sidecar["Description"]
    assert "Warning" in sidecar["DeepTaskGen"]["Contrast"]


def test_runs_that_were_not_combined_count_as_one_session(tmp_path):
    add_session(tmp_path, "01", "a", 1.0, run="1")
    add_session(tmp_path, "01", "a", 5.0, run="2")
    add_session(tmp_path, "01", "b", 9.0)
    add_session(tmp_path, "02", None, 2.0, run="1")
    run(tmp_path)
    mean, _ = read_map(tmp_path, "mean", "wm2bk")
    assert mean[VOXEL] == pytest.approx(((1 + 5) / 2 / 2 + 9 / 2 + 2) / 2)
    rows = read_tsv(output_path(tmp_path, "group_metrics", entities=[("task", "rest")]))
    assert [row["run"] for row in rows] == ["1", "2", "n/a", "1"]


def test_columns_of_participants_tsv_do_not_take_the_place_of_ours(output):
    table = {"participant_id": ["sub-01", "sub-01", "sub-02"], "session_id": ["ses-b", "ses-a", "ses-z"]}
    write_tsv(output / "participants.tsv", table | {"age": [31, 30, 40], "minutes_kept": [1, 1, 1]})
    run(output)
    rows = read_tsv(output_path(output, "group_metrics", entities=[("task", "rest")]))
    found = [(row["session_id"], row["participants_session_id"], row["age"]) for row in rows]
    assert found == [("ses-a", "ses-a", "30"), ("ses-b", "ses-b", "31"), ("ses-a", "ses-z", "40")]
    assert [float(row["minutes_kept"]) for row in rows] == [9, 11, 14]
    assert {row["participants_minutes_kept"] for row in rows} == {"1"}


def test_group_files_of_all_participants_are_not_replaced_by_those_of_some(output):
    run(output)
    initial_state = {path.name: path.read_bytes() for path in (output / "group").iterdir()}
    with pytest.raises(UserError, match=r"include 2 participants; 1 of them .* \(sub-01\)") as caught:
        run(output, "02")
    assert caught.value.exit_code == 2
    assert "--overwrite" in str(caught.value)
    assert initial_state == {path.name: path.read_bytes() for path in (output / "group").iterdir()}
    assert run(output, "01", "02") == 0
    assert run(output, "02", overwrite=True) == 0
    # All participants include those of the first average.
    assert run(output) == 0


def test_stored_scores_of_a_participant_need_little_memory(output):
    for number in range(10, 40):
        add_session(output, str(number), None, 1.0)
    tracemalloc.start()
    results = read_results(output)
    kept_rows, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(results) == 33
    assert results[5].maps is results[6].maps
    assert (results[5].maps.layout, results[5].maps.contrasts) == ("3d", tuple(sorted(LABELS)))
    assert kept_rows / len(results) < 3000


def test_the_quality_table_includes_columns_of_participants_tsv(output):
    run(output)
    rows = read_tsv(output_path(output, "group_metrics", entities=[("task", "rest")]))
    assert [(row["participant_id"], row["session_id"], row["age"]) for row in rows] == [
        ("sub-01", "ses-a", "30"),
        ("sub-01", "ses-b", "30"),
        ("sub-02", "ses-a", "40"),
    ]
    assert [float(row["minutes_kept"]) for row in rows] == [9, 11, 14]
    assert {row["n_regressors"] for row in rows} == {"7"}
    assert {row["typicality"] for row in rows} == {"n/a"}


def test_who_failed_and_who_was_never_done_is_listed(output, capsys):
    run(output)
    rows = read_tsv(output_path(output, "group_missing"))
    assert [tuple(row.values()) for row in rows] == [
        ("sub-02", "ses-b", "too short"),
        ("sub-03", "n/a", "never processed"),
        ("sub-04", "n/a", "surprise"),
    ]
    assert "2 participants averaged" in capsys.readouterr().out


def test_who_was_done_later_is_no_longer_missing(output):
    add_session(output, "02", "b", 2.0)
    add_session(output, "04", None, 2.0)
    run(output)
    assert [row["participant_id"] for row in read_tsv(output_path(output, "group_missing"))] == ["sub-03"]


def test_only_the_selected_participants_are_averaged(output):
    run(output, "02", "03")
    mean, _ = read_map(output, "mean", "wm2bk")
    assert mean[VOXEL] == 6
    rows = read_tsv(output_path(output, "group_missing"))
    assert [row["participant_id"] for row in rows] == ["sub-02", "sub-03"]


def test_a_session_of_which_a_map_is_gone_does_not_count(output):
    next(output.glob("sub-02/**/*wm2bk*.nii.gz")).unlink()
    assert {result.subject for result in read_results(output)} == {"01"}


def test_maps_of_two_settings_are_averaged_in_separate_folders(output):
    add_session(output, "05", "a", 9.0, settings_hash="b" * 64)
    assert run(output) == 0
    name = output_path(
        output, "group_statmap", entities=[("task", "rest")], contrast="wm2bk", stat="mean"
    ).name
    means = {
        folder: np.asarray(nib.load(output / "group" / folder / name).dataobj)[VOXEL]
        for folder in ("settings-aaaaaaaa", "settings-bbbbbbbb")
    }
    assert means == {"settings-aaaaaaaa": 4, "settings-bbbbbbbb": 9}
    assert not (output / "group" / name).exists()
    rows = read_tsv(output_path(output, "group_sets"))
    assert [(row["set"], row["n_participants"]) for row in rows] == [
        ("task-rest settings-aaaaaaaa", "2"),
        ("task-rest settings-bbbbbbbb", "1"),
    ]


def test_a_set_that_no_longer_exists_leaves_no_files(output):
    add_session(output, "05", "a", 9.0, settings_hash="b" * 64)
    run(output)
    (output / "group" / "notes.txt").write_text("of the user")
    for path in (output / "sub-05").rglob("*.*"):
        path.unlink()
    run(output)
    names = {path.relative_to(output / "group").parts[0] for path in (output / "group").rglob("*.nii.gz")}
    assert not any(name.startswith("settings") for name in names)
    assert (output / "group" / "notes.txt").exists()


def test_an_empty_dataset_is_refused(tmp_path):
    with pytest.raises(InputError, match="no finished maps"):
        run(tmp_path)


def missing(output):
    return [tuple(row.values()) for row in read_tsv(output_path(output, "group_missing"))]


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_content(path):
    """Replace a file by a link as git-annex leaves it after the content was dropped."""
    path.unlink()
    path.symlink_to("../../.git/annex/objects/Xx/Yy/MD5E-s9--0.nii.gz/MD5E-s9--0.nii.gz")


@pytest.mark.parametrize("damage", [truncate, drop_content, lambda path: path.write_bytes(b"")])
def test_a_damaged_map_is_listed_and_all_others_are_averaged(output, damage):
    run(output)
    complete_map, _ = read_map(output, "mean", "motorLh")
    path = next(output.glob("sub-02/**/*wm2bk*.nii.gz"))
    damage(path)
    assert run(output) == 1
    np.testing.assert_array_equal(read_map(output, "mean", "motorLh")[0], complete_map)
    mean, sidecar = read_map(output, "mean", "wm2bk")
    assert mean[VOXEL] == 2
    assert sidecar["DeepTaskGen"]["NumberOfParticipants"] == 1
    (reason,) = (reason for name, session, reason in missing(output) if session == "ses-a")
    assert reason.startswith(f"wm2bk: {path}: ")
    assert ("datalad get" in reason) == (damage is drop_content)
    assert "never processed" not in {reason for name, _, reason in missing(output) if name == "sub-02"}


def test_dropped_content_of_a_participant_is_not_called_unprocessed(output):
    for path in output.glob("sub-02/**/*.nii.gz"):
        drop_content(path)
    assert run(output) == 1
    rows = [row for row in missing(output) if row[0] == "sub-02"]
    assert [row[1] for row in rows] == ["ses-a", "ses-b"]
    assert "Run: datalad get" in rows[0][2]
    assert read_map(output, "mean", "wm2bk")[0][VOXEL] == 2


@pytest.mark.parametrize("damage", [truncate, drop_content])
def test_a_damaged_record_is_listed(output, damage):
    path = next(output.glob("sub-02/**/*_desc-qc_metrics.json"))
    damage(path)
    assert run(output) == 1
    assert [reason for name, session, reason in missing(output) if session == "ses-a"][0].startswith(
        f"{path}: "
    )


def test_a_missing_file_is_named(output):
    path = next(output.glob("sub-02/**/*wm2bk*.nii.gz"))
    path.unlink()
    assert run(output) == 1
    assert ("sub-02", "ses-a", f"{path}: the file does not exist. Re-run this participant.") in missing(
        output
    )


def test_a_map_without_values_is_listed(output):
    path = next(output.glob("sub-02/**/*wm2bk*.nii.gz"))
    save_nifti(path, np.full(OUTPUT_GRID.shape, np.nan, np.float32), OUTPUT_GRID.matrix)
    assert run(output) == 1
    assert read_map(output, "mean", "wm2bk")[1]["DeepTaskGen"]["NumberOfParticipants"] == 1
    assert any("is 0 or NaN everywhere" in reason for _, _, reason in missing(output))


def test_a_dataset_of_damaged_maps_is_refused(output):
    for path in output.glob("sub-*/**/*.nii.gz"):
        truncate(path)
    with pytest.raises(InputError, match=r"none of the maps can be used.*is truncated"):
        run(output)
    for path in output.glob("sub-*/**/*.nii.gz"):
        drop_content(path)
    with pytest.raises(InputError, match="datalad get"):
        run(output)


def test_a_damaged_sidecar_of_a_map_does_not_stop_the_others(output):
    path = next(output.glob("sub-01/ses-a/**/*wm2bk*.json"))
    truncate(path)
    assert run(output) == 0
    assert read_map(output, "mean", "wm2bk")[1]["DeepTaskGen"]["Contrast"]["SourceName"] == "WM2BK"


def test_equal_participants_give_equal_bytes(output):
    run(output)
    initial_state = {path.name: path.read_bytes() for path in (output / "group").iterdir()}
    run(output)
    assert initial_state == {path.name: path.read_bytes() for path in (output / "group").iterdir()}


@pytest.mark.parametrize("ids", [("1", "2", "3"), ("sub-1", "02", "sub-003"), ("sub-01", "sub-02", "sub-03")])
def test_participants_of_a_table_are_those_of_the_maps_in_any_spelling(output, ids, caplog):
    write_tsv(output / "participants.tsv", {"Participant_ID": ids, "age": [30, 40, 50]})
    assert run(output) == 0
    rows = read_tsv(output_path(output, "group_metrics", entities=[("task", "rest")]))
    assert [row["age"] for row in rows] == ["30", "30", "40"]
    missing = {row["participant_id"]: row["reason"] for row in read_tsv(output_path(output, "group_missing"))}
    label = ids[2].removeprefix("sub-")
    assert missing == {"sub-02": "too short", f"sub-{label}": "never processed", "sub-04": "surprise"}
    assert "participants.tsv" not in caplog.text


def test_participants_without_a_row_are_named(output, caplog):
    write_tsv(output / "participants.tsv", {"participant_id": ["sub-01"], "age": [30]})
    run(output)
    assert "they lack its columns in the tables: sub-02." in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("participant_id\tsite\nsub-01\tGenève\n".encode("latin-1"), "is not UTF-8 text"),
        (b"participant_id,age\nsub-01,30\n", "is not tab-separated: its columns are separated by commas"),
    ],
)
def test_a_table_of_participants_that_cannot_be_read_is_named(output, content, message):
    (output / "participants.tsv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        run(output)
