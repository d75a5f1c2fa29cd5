"""Maps that cannot be used: their participant is named, all others are used, and no file is half written."""

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.report import group_html
from bids_deeptaskgen.report.group_page_data import count_participants
from tests.group.dataset import Plan, add_session, make_dataset
from tests.group.running import block, effect, group_path, reasons, run, sidecar, state, table
from tests.inprocess import call


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def map_of(output, subject, session="1"):
    return only(output, f"sub-{subject}/ses-{session}/func/*wm2bk*_statmap.nii.gz")


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def drop_content(path):
    """Replace a file by a link as git-annex leaves it after the content was dropped."""
    path.unlink()
    path.symlink_to("../../.git/annex/objects/Xx/Yy/MD5E-s9--0.nii.gz/MD5E-s9--0.nii.gz")


def write_text_file(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def resize(path):
    image = nib.Nifti1Image(np.ones((20, 20, 20), np.float32), np.diag([4, 4, 4, 1.0]))
    nib.save(image, path)


def shift(path):
    affine = OUTPUT_GRID.matrix.copy()
    affine[0, 3] += 1
    save_nifti(path, np.ones(OUTPUT_GRID.shape, np.float32), affine)


def without_orientation(path):
    data = np.ones(OUTPUT_GRID.shape, np.float32)
    header = nib.Nifti1Header()
    header.set_data_shape(data.shape)
    header.set_sform(None, code=0)
    header.set_qform(None, code=0)
    nib.save(nib.Nifti1Image(data, None, header), path)


def remove(path):
    path.unlink()


def make_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [
    truncate,
    empty,
    drop_content,
    write_text_file,
    resize,
    shift,
    without_orientation,
    remove,
    make_folder,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda function: function.__name__)
def test_a_participant_whose_map_cannot_be_used_is_named_and_all_others_are_used(output, small, damage):
    path = map_of(output, "02")
    damage(path)
    assert run(output) == 1
    (reason,) = reasons(output).values()
    assert reasons(output).keys() == {("sub-02", "ses-1")}
    assert str(path) in reason
    assert any(words in reason for words in ("re-run", "Re-run", "datalad get", "git lfs pull", "Replace it"))
    # The other session of this participant is used.
    maps = small.participant_maps("wm2bk").copy()
    maps[1] = small.maps["02", "2", None, "wm2bk"]
    np.testing.assert_allclose(block(output, "mean"), maps.mean(axis=0), atol=1e-5)


def test_participants_whose_maps_are_all_unusable_are_not_counted(tmp_path, monkeypatch):
    contents = []
    monkeypatch.setattr(group_html, "render_group", lambda content: contents.append(content) or "<html>")
    monkeypatch.setattr("bids_deeptaskgen.group.set_analysis.MapPictures", lambda: None)
    cohort = make_dataset(tmp_path / "out", n=4, contrasts=("wm2bk",))
    for session in ("1", "2"):
        truncate(map_of(cohort.folder, "02", session))
    truncate(map_of(cohort.folder, "03"))
    ended = call(tmp_path, cohort.folder, "group")
    assert ended.code == 1
    assert ended.out.startswith("3 participants averaged")
    (row,) = read_tsv(output_path(cohort.folder, "group_sets"))
    assert (row["n_participants"], row["n_sessions"]) == ("3", "5")
    (content,) = contents
    (part,) = content.sets
    assert content.title == "Group of 3 participants"
    assert content.facts["Participants with maps"] == "3"
    assert content.facts["Sets of maps"] == "task-rest: 3 participants"
    assert (part.facts["Participants"], part.facts["Sessions"]) == ("3", "5")
    assert count_participants(content) == 3


def test_a_set_without_usable_map_is_not_listed(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=4, sessions=("1",), contrasts=("wm2bk",))
    plan = Plan(settings_hash="b" * 64)
    add_session(cohort.folder, "09", "1", {"wm2bk": cohort.maps["01", "1", None, "wm2bk"]}, plan=plan)
    truncate(map_of(cohort.folder, "09"))
    ended = call(tmp_path, cohort.folder, "group", "--reports", "none")
    assert ended.code == 1
    assert ended.out.startswith("4 participants averaged")
    (row,) = read_tsv(output_path(cohort.folder, "group_sets"))
    assert row["n_participants"] == "4"


def zero(path):
    save_nifti(path, np.zeros(OUTPUT_GRID.shape, np.float32), OUTPUT_GRID.matrix)


@pytest.mark.parametrize(
    "damage", [truncate, empty, zero, resize, shift], ids=lambda function: function.__name__
)
def test_the_advice_for_a_damaged_map_is_to_delete_it_because_a_run_keeps_finished_maps(output, damage):
    damage(map_of(output, "02"))
    assert run(output) == 1
    (reason,) = reasons(output).values()
    assert reason.endswith("Delete it and re-run this participant.")
    assert "preprocessing" not in reason


@pytest.mark.parametrize("damage", [truncate, remove, drop_content], ids=lambda function: function.__name__)
def test_a_participant_without_usable_map_is_left_out_of_the_tests_of_a_contrast(tmp_path, damage):
    cohort = make_dataset(tmp_path / "out", n=12, sessions=("1",), age_slope=0.05)
    damage(map_of(cohort.folder, "03"))
    options = {"design": "age", "covariates": ("none",)}
    assert run(cohort.folder, **options) == 1
    facts = {
        label: sidecar(cohort.folder, "t", label, "group_effect_statmap", effect="age")["DeepTaskGen"]
        for label in cohort.plan.contrasts
    }
    # A session with a missing file is not used at all, since its record is wrong.
    n_other = 11 if damage is remove else 12
    assert [facts[label]["NumberOfParticipants"] for label in ("wm2bk", "motorLh")] == [11, n_other]
    assert facts["wm2bk"]["DegreesOfFreedom"] == 9
    kept = [number for number in range(12) if number != 2]
    design = np.column_stack([np.ones(11), cohort.age[kept]])
    maps = cohort.participant_maps("wm2bk")[kept].reshape(11, -1)
    expected = np.linalg.lstsq(design, maps, rcond=None)[0][1]
    np.testing.assert_allclose(effect(cohort.folder, "effect").ravel(), expected, rtol=1e-3, atol=1e-5)


def test_no_maps_are_refused(tmp_path):
    (tmp_path / "out").mkdir()
    ended = call(tmp_path, tmp_path / "out", "group")
    assert ended.code == 3
    assert "no finished maps were found" in ended.sentence
    assert "Run the participant level" in ended.sentence
    assert list((tmp_path / "out").iterdir()) == []


def test_an_absent_output_folder_is_refused_and_not_created(tmp_path):
    ended = call(tmp_path, tmp_path / "none", "group")
    assert ended.code in (2, 3)
    assert str(tmp_path / "none") in ended.sentence
    assert not (tmp_path / "none").exists()


def test_a_dataset_of_unusable_maps_is_refused_and_leaves_earlier_files(output):
    assert run(output) == 0
    before = state(output)
    for path in output.glob("sub-*/**/*.nii.gz"):
        truncate(path)
    ended = call(output.parent, output, "group", "--reports", "none")
    assert ended.code == 3
    assert "none of the maps can be used" in ended.sentence
    assert state(output) == before
    assert not (output / "work").exists()


def test_a_contrast_without_usable_maps_is_left_out(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=4, sessions=("1",))
    for path in cohort.folder.glob("sub-*/**/*wm2bk*.nii.gz"):
        truncate(path)
    assert run(cohort.folder) == 1
    assert not group_path(cohort.folder, "group_statmap", contrast="wm2bk", stat="mean").exists()
    assert block(cohort.folder, "count", "motorLh").min() == 4


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_participants_get_maps_without_what_needs_more(tmp_path, n):
    cohort = make_dataset(tmp_path / "out", n=n, contrasts=("wm2bk",))
    # A page takes seconds.
    assert call(tmp_path, cohort.folder, "group", "--reports", "full" if n == 1 else "none").code == 0
    np.testing.assert_allclose(
        block(cohort.folder, "mean"), cohort.participant_maps("wm2bk").mean(axis=0), atol=1e-5
    )
    if n == 1:
        assert not block(cohort.folder, "sd").any()
    assert not group_path(cohort.folder, "group_qcfc_contrasts").exists()
    assert group_path(cohort.folder, "group_identification").exists() == (n == 3)
    if n == 1:
        before = state(cohort.folder)
        assert call(tmp_path, cohort.folder, "group", "--reports", "full").code == 0
        assert state(cohort.folder) == before
        page = before["group.html"].decode()
        assert "at least 20 participants" in page
        assert "Group of 1 participant<" in page
        assert "1 participants" not in page
        assert "1 contrasts" not in page
        assert "1 participant with a mean FD; at least 10 are needed" in page


def test_few_participants_cannot_be_tested(tmp_path):
    for n in (1, 2, 3):
        cohort = make_dataset(tmp_path / f"out{n}", n=n, contrasts=("wm2bk",))
        ended = call(tmp_path, cohort.folder, "group", "--design", "age")
        assert ended.code == 2, ended
        assert not (cohort.folder / "group").exists()


def test_equal_maps_of_all_participants_are_described(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=12, contrasts=("wm2bk",), individual=0, noise=0)
    assert call(tmp_path, cohort.folder, "group").code == 0
    assert np.abs(block(cohort.folder, "sd")).max() < 1e-5
    (row,) = (row for row in table(cohort.folder, "group_similarity_contrasts"))
    assert float(row["mean_r"]) == pytest.approx(1)
    assert row["mean_r_deviations"] == "n/a"
    for row in table(cohort.folder, "group_identification"):
        # A tie is no success.
        assert row["rate"] in ("0", "n/a")


def test_maps_that_differ_nowhere_are_not_tested_and_a_sentence_says_so(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=12, individual=0, noise=0)
    for number, label in enumerate(cohort.plan.labels):
        maps = {
            "wm2bk": cohort.maps[label, "1", None, "wm2bk"],
            "motorLh": cohort.maps[label, "1", None, "motorLh"] + 0.1 * (number % 5),
        }
        for session in ("1", "2"):
            add_session(cohort.folder, label, session, maps, metrics={"fd_mean_mm": 0.1}, plan=cohort.plan)
    ended = call(
        tmp_path, cohort.folder, "group", "--design", "age", "--covariates", "none", "--reports=none"
    )
    assert "wm2bk: not tested: The maps of all 12 participants are equal in all 480 voxels" in ended.err
    assert ended.code == 1
    assert {row["contrast"] for row in table(cohort.folder, "group_effects")} == {"motorLh"}
    assert block(cohort.folder, "count").min() == 12


def test_maps_without_common_voxels_are_not_tested(tmp_path):
    cohort = make_dataset(tmp_path / "out", n=6, sessions=(None,), contrasts=("wm2bk",))
    for number, label in enumerate(cohort.plan.labels):
        path = output_path(
            cohort.folder, "statmap", subject=label, entities=[("task", "rest")], contrast="wm2bk"
        )
        values = np.zeros(OUTPUT_GRID.shape, np.float32)
        values[40 + number, 50:60, 30] = range(1, 11)
        save_nifti(path, values, OUTPUT_GRID.matrix)
    ended = call(
        tmp_path, cohort.folder, "group", "--design", "age", "--covariates", "none", "--reports=none"
    )
    assert ended.code == 1
    assert "wm2bk: not tested: There is no voxel in which the maps of all 6 participants" in ended.err
    assert not group_path(cohort.folder, "group_effects").exists()


def test_the_same_maps_give_the_same_bytes(output):
    run(output, design="age", covariates=("none",))
    before = state(output)
    assert run(output, design="age", covariates=("none",)) == 0
    assert state(output) == before
