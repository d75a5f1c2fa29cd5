"""Maps of different tasks, acquisitions, models or settings are in different sets."""

import json

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.completion import Maps, write_completion
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.group.selection import batch_contrasts
from tests.group.dataset import BLOCK, Plan, add_session, make_dataset
from tests.group.running import group_path, reasons, run, table

OTHER = "b" * 64
ACQUISITIONS = ((("task", "rest"), ("acq", "AP")), (("task", "rest"), ("acq", "PA")))


def means(folder, sub, **labels):
    path = group_path(folder, "group_statmap", contrast="wm2bk", stat="mean", **labels)
    return np.asarray(nib.load(folder / "group" / sub / path.name).dataobj)[BLOCK]


@pytest.mark.parametrize("kinds", [ACQUISITIONS, ((("task", "rest"),), (("task", "movie"),))])
def test_tasks_and_acquisitions_are_never_averaged_together(tmp_path, kinds):
    cohorts = [
        make_dataset(tmp_path / "out", n=3, sessions=("1",), contrasts=("wm2bk",), entities=kind, seed=seed)
        for seed, kind in enumerate(kinds)
    ]
    assert run(tmp_path / "out") == 0
    for cohort, kind in zip(cohorts, kinds, strict=True):
        expected = cohort.participant_maps("wm2bk").mean(axis=0)
        np.testing.assert_allclose(means(cohort.folder, "", entities=kind), expected, atol=1e-5)
    rows = table(tmp_path / "out", "group_sets")
    names = sorted(" ".join(f"{key}-{value}" for key, value in kind) for kind in kinds)
    assert [row["set"] for row in rows] == names
    assert {row["folder"] for row in rows} == {"group"}
    assert {row["n_participants"] for row in rows} == {"3"}


def test_sets_of_two_settings_have_folders_and_name_what_differs(tmp_path):
    output = tmp_path / "out"
    cohort = make_dataset(output, n=3, sessions=("1",), contrasts=("wm2bk",))
    plan = Plan(settings_hash=OTHER, contrasts=("wm2bk",))
    others = {}
    for label in ("07", "08"):
        others[label] = cohort.maps["01", "1", None, "wm2bk"] + int(label)
        add_session(output, label, "1", {"wm2bk": others[label]}, plan=plan)
    for label, smoothing in (("01", 0), ("02", 0), ("03", 0), ("07", 6), ("08", 6)):
        for path in output.glob(f"sub-{label}/**/*_statmap.json"):
            content = json.loads(path.read_text())
            model = {"Name": "model B" if smoothing else "model A"}
            content["DeepTaskGen"] |= {"Settings": {"smoothing": smoothing, "same": 1}, "Model": model}
            path.write_text(json.dumps(content))
    assert run(output) == 0
    rows = table(output, "group_sets")
    assert [row["folder"] for row in rows] == ["group/settings-aaaaaaaa", "group/settings-bbbbbbbb"]
    assert [row["settings"] for row in rows] == ["smoothing = 0", "smoothing = 6"]
    assert [row["model"] for row in rows] == ["model A", "model B"]
    assert [row["settings_hash"] for row in rows] == ["a" * 64, OTHER]
    np.testing.assert_allclose(
        means(output, "settings-aaaaaaaa"), cohort.participant_maps("wm2bk").mean(axis=0), atol=1e-5
    )
    np.testing.assert_allclose(
        means(output, "settings-bbbbbbbb"), np.mean([*others.values()], axis=0), atol=1e-5
    )


def test_a_session_without_maps_is_not_a_participant_of_a_mean(output):
    class Session:
        subject, session, entities = "77", "1", (("task", "rest"),)

    write_completion(output, Session, {}, files=[], settings_hash="a" * 64, fingerprint="f")
    assert run(output) == 1
    assert len({row["participant_id"] for row in table(output, "group_similarity")}) == 6
    assert "lists no predicted maps. Re-run this participant" in reasons(output)["sub-77", "ses-1"]


def test_a_dataset_of_sessions_without_maps_is_refused(tmp_path):
    class Session:
        subject, session, entities = "77", "1", (("task", "rest"),)

    write_completion(tmp_path, Session, {}, files=[], settings_hash="a" * 64, fingerprint="f")
    with pytest.raises(InputError, match="none of the maps can be used.*lists no predicted maps"):
        run(tmp_path)


def test_excluded_participants_are_in_no_file(output):
    assert run(output, exclude_participant_label=("02", "05")) == 0
    assert [row["participant_id"] for row in table(output, "group_similarity")] == [
        "sub-01", "sub-03", "sub-04", "sub-06",
    ]  # fmt: skip
    assert reasons(output) == {}


@pytest.mark.parametrize(("layout", "expected"), [("3d", [["a"], ["b"], ["c"]]), ("4d", [["a", "b"], ["c"]])])
def test_images_of_all_contrasts_are_read_some_contrasts_at_a_time(layout, expected):
    maps = Maps(layout, ("a", "b", "c"), False, 0, 0)
    assert batch_contrasts(maps, ["a", "b", "c"], 2) == expected
