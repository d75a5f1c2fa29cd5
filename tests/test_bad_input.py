"""Unusable input, from the command line to what is told and what is left: laws of the whole app."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from tests.failing_participants import (
    FAULTS,
    N_MISSING,
    change_image,
    has_no_folder,
    has_no_mask,
    has_other_tasks_only,
    has_two_files_of_one_run,
    is_empty,
    n_volumes_of,
    was_cut_off,
)
from tests.inprocess import BOLD, call, copy_participant, maps_of, only, outcomes
from tests.processes import SMALL, leftovers

COHORT = (*SMALL, "--nprocs", "1")


def label_of(fault):
    return fault.__name__.replace("_", "")


@pytest.fixture(scope="module")
def cohort(participants, model, tmp_path_factory):
    """Run two valid participants, one with each fault, and one with odd voxels."""
    folder = tmp_path_factory.mktemp("cohort")
    data, output = folder / "fmriprep", folder / "maps"
    for fault in FAULTS:
        func = copy_participant(participants, "01", data, label_of(fault))
        if fault in (has_no_folder, is_empty):
            shutil.rmtree(func)
            func.mkdir()
        fault(func)
    for label in ("0first", "zlast"):
        copy_participant(participants, "01", data, label)
    change_image(only(copy_participant(participants, "01", data, "zodd"), BOLD), with_odd_voxels)
    return data, output, call(data, output, "participant", "--model", model, *COHORT)


def with_odd_voxels(data, affine):
    data[10:12, 12:15, 10:12] = np.nan
    data[6, 10, 10, 3] = np.inf
    data[14, 14, 14] = 7
    return data, affine


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_failure_names_its_file_and_its_remedy(cohort, fault):
    data, output, ended = cohort
    place, found, remedy = FAULTS[fault]
    n = n_volumes_of(data / "sub-0first" / "func")
    found = found.format(n=n, rest=n - N_MISSING)
    row = outcomes(output)[label_of(fault)]
    assert (row["status"], row["n_maps"]) == ("failed", "0")
    reason = " ".join(row["reason"].split())
    assert [part for part in (found, remedy) if part not in reason] == []
    assert reason.index(found) < reason.index(remedy)
    named = [word.rstrip(".:;,") for word in reason.split() if str(data / f"sub-{label_of(fault)}") in word]
    assert named, "no file or folder is named"
    # Of two that contradict each other, both.
    assert len(set(named)) == 1 + (fault is has_two_files_of_one_run), "a path is more than enough once"
    assert named[0].endswith(place)
    # It is a sentence for users: short, and without the words of the libraries below.
    assert len(reason.split()) < 60
    assert not {"Traceback", "Error:", "Errno", "codec", "object"} & set(reason.split())
    # The table at the end says the same.
    assert reason in ended.out


def test_other_participants_are_processed_and_the_exit_code_reports_the_failure(cohort):
    _, output, ended = cohort
    assert ended.code == 1
    done = {label for label, row in outcomes(output).items() if row["status"] == "done"}
    assert done == {"0first", "zlast", "zodd"}
    first, last = maps_of(output, "0first"), maps_of(output, "zlast")
    assert len(first) == 3
    # The one before all faults and the one after them, who are the same participant.
    assert first == last


def test_nothing_is_half_written(cohort):
    _, output, _ = cohort
    assert {path.name for path in output.glob("sub-*")} == {"sub-0first", "sub-zlast", "sub-zodd"}
    assert leftovers(output) == []
    assert not list((output / "logs").glob("crash*"))


def test_no_message_has_a_traceback(cohort):
    _, _, ended = cohort
    assert "Traceback" not in ended.err + ended.out
    assert "internal error" not in ended.err + ended.out


def test_failed_participants_are_listed_for_another_run(cohort):
    _, output, ended = cohort
    (failed,) = (output / "logs").glob("*_failed.txt")
    assert failed.read_text().split() == sorted(f"sub-{label_of(fault)}" for fault in FAULTS)
    assert f"{len(FAULTS)} of {len(FAULTS) + 3} participants failed" in ended.out
    assert f"--participant-label @{failed}" in ended.out


def test_the_exit_code_distinguishes_no_success_from_partial_success(cohort, model, tmp_path):
    data, _, _ = cohort
    asked = [label_of(fault) for fault in (has_other_tasks_only, has_no_mask, was_cut_off)]
    words = (data, tmp_path / "maps", "participant", "--model", model, *COHORT, "--participant-label")
    ended = call(*words, *asked)
    assert ended.code == 3
    assert list(outcomes(tmp_path / "maps")) == sorted(asked)
    assert not list((tmp_path / "maps").glob("sub-*"))
    assert leftovers(tmp_path / "maps") == []


def test_nonfinite_or_constant_voxels_do_not_fail_a_participant(cohort):
    _, output, _ = cohort
    counts = {}
    for label in ("0first", "zodd"):
        func = output / f"sub-{label}" / "func"
        for path in func.glob("*_statmap.nii.gz"):
            values = nib.load(path).get_fdata()
            assert np.isfinite(values).all()
            assert values.std() > 0
        counts[label] = json.loads(only(func, "metrics.json").read_text())["n_voxels_without_variance"]
    assert counts["zodd"] > counts["0first"] == 0
    assert maps_of(output, "zodd") != maps_of(output, "0first")
