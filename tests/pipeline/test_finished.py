"""Whether a participant is finished, decided without pybids and nipype, as the first step decides."""

import cProfile
import json
import os
import pstats
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.pipeline.finished import find_finished, select_completed
from bids_deeptaskgen.pipeline.participant import compute_connectomes
from bids_deeptaskgen.pipeline.records import MAPS_EXIST, Job
from tests.bids.trees import BOLD, CONFOUNDS, MASK, describe, image, isotropic, run, touch
from tests.pipeline.finished_datasets import context_of, finish
from tests.workflow.arrangements import as_hcp, as_ukb, as_xcpd

FUNC = "sub-01/ses-a/func/sub-01_ses-a_task-rest"
RUN = f"{FUNC}_run-1"
FILES = (f"{RUN}_{BOLD}", f"{RUN}_{BOLD.replace('.nii.gz', '.json')}", f"{RUN}_{MASK}", f"{RUN}_{CONFOUNDS}")
JSON = st.sampled_from(['{"RepetitionTime": 2.0}', '{"RepetitionTime": 3}', "{}", "{", '{"EchoTime": 1}'])
EXISTING = st.sampled_from(FILES)
# Sidecars that apply to the series, and some that do not.
SIDECARS = st.sampled_from(
    [
        "task-rest_bold.json",
        "bold.json",
        "task-nback_bold.json",
        "sub-01/sub-01_task-rest_bold.json",
        "sub-01/ses-a/sub-01_ses-a_task-rest_run-1_bold.json",
        f"{FUNC}_bold.json",
        f"{RUN}_bold.json",
    ]
)
ADDED_FILES = st.sampled_from(
    [
        f"{FUNC}_run-2_{BOLD}",
        f"{FUNC}_run-2_{MASK}",
        f"{FUNC}_{CONFOUNDS}",
        f"{RUN}_desc-confounds_regressors.tsv",
        f"{RUN}_{MASK.replace('_res-2', '')}",
        f"{RUN}_{BOLD.replace('res-2', 'res-1')}",
        f"{FUNC}_acq-x_{BOLD}",
        "sub-01/ses-a/func/sub-01_ses-b_task-rest_events.tsv",
        "sub-01/ses-b/func/sub-01_ses-b_task-nback_events.tsv",
    ]
)


def rewrite(root, name, content="x"):
    touch(root / name, content)


def set_time(root, name):
    os.utime(root / name, ns=(1, 1))


def remove(root, name):
    (root / name).unlink(missing_ok=True)


def replace_by_folder(root, name):
    remove(root, name)
    (root / name).mkdir()


def replace_by_empty_link(root, name):
    remove(root, name)
    (root / name).symlink_to("nowhere")


def add_image(root, name):
    image(root / name, isotropic(1.0) if "res-1" in name else isotropic(2.0), 10)


def rename_session(root, name):
    (root / "sub-01/ses-a").rename(root / f"sub-01/{name}")


# Nothing that a name does not name is altered twice: the second alteration would not find its file.
ALTERATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([rewrite, set_time, remove, replace_by_folder, replace_by_empty_link]), EXISTING
        ),
        st.tuples(st.just(rewrite), SIDECARS, JSON),
        st.tuples(st.just(rewrite), st.just(FILES[1]), JSON),
        st.tuples(st.just(add_image), ADDED_FILES),
        st.tuples(st.just(rename_session), st.sampled_from(["ses-c", "ses-A"])),
    ),
    min_size=1,
    max_size=2,
)


def is_finished_for_the_first_step(context, subject, folder):
    """Run the first step with pybids; its maps exist, or it fails, since the images have no data."""
    records = compute_connectomes(Job(subject, context, folder / "connectomes", folder / "records"))
    return {record.status for record in records} == {MAPS_EXIST}


@settings(max_examples=40)
@given(alterations=ALTERATIONS, combine_runs=st.booleans())
def test_a_participant_is_finished_only_if_the_first_step_finds_that_too(model, alterations, combine_runs):
    # A folder of its own for each example: names of sidecars are cached by folder.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = describe(folder / "in")
        run(root, "01", "task-rest_run-1", session="a")
        context = context_of(root, folder / "out", model, combine_runs=combine_runs)
        finish(context, ["01"])
        assert find_finished(context, ["01"]).keys() == {"01"}
        for alteration, *values in alterations:
            try:
                alteration(root, *values)
            except OSError:
                continue
        is_finished = bool(find_finished(context, ["01"]))
        assert is_finished == is_finished_for_the_first_step(context, "01", folder)


@pytest.mark.parametrize(
    ("alter", "is_finished"),
    [
        (lambda root: rewrite(root, f"{RUN}_events.tsv"), True),
        (lambda root: set_time(root, FILES[1]), True),
        (lambda root: rewrite(root, "task-rest_bold.json", '{"RepetitionTime": 3}'), True),
        (lambda root: rewrite(root, FILES[1], '{"RepetitionTime": 3}'), False),
        (lambda root: set_time(root, FILES[0]), False),
        (lambda root: set_time(root, FILES[2]), False),
        (lambda root: set_time(root, FILES[3]), False),
        (lambda root: remove(root, FILES[3]), False),
        (lambda root: run(root, "01", "task-rest_run-2", session="a"), False),
        (lambda root: run(root, "01", "task-rest", session="b"), False),
        (lambda root: rename_session(root, "ses-b"), False),
    ],
)
def test_only_alterations_that_matter_make_a_participant_unfinished(model, tmp_path, alter, is_finished):
    root = describe(tmp_path / "in")
    run(root, "01", "task-rest_run-1", session="a")
    context = context_of(root, tmp_path / "out", model)
    finish(context, ["01"])
    alter(root)
    assert bool(find_finished(context, ["01"])) == is_finished


def test_an_inherited_repetition_time_counts_if_the_sidecar_has_none(model, tmp_path):
    root = describe(tmp_path / "in")
    run(root, "01", "task-rest_run-1", session="a", t_r=None)
    sidecar = touch(root / "task-rest_bold.json", '{"RepetitionTime": 2}')
    context = context_of(root, tmp_path / "out", model)
    finish(context, ["01"])
    assert find_finished(context, ["01"])
    sidecar.write_text('{"RepetitionTime": 3}')
    assert not find_finished(context, ["01"])


def test_a_deleted_map_or_a_damaged_record_makes_a_participant_unfinished(model, tmp_path):
    root = describe(tmp_path / "in")
    for subject in ("01", "02", "03"):
        run(root, subject)
    context = context_of(root, tmp_path / "out", model)
    finish(context, ["01", "02", "03"])
    next((tmp_path / "out" / "sub-01" / "func").glob("*.nii.gz")).unlink()
    next((tmp_path / "out" / "sub-02" / "func").glob("*_metrics.json")).write_text("{")
    assert find_finished(context, ["01", "02", "03"]).keys() == {"03"}


def test_further_contrasts_or_another_layout_make_participants_unfinished(model, tmp_path):
    root = describe(tmp_path / "in")
    run(root, "01")
    output = tmp_path / "out"
    finish(context_of(root, output, model, contrasts=("contrast0",)), ["01"])
    assert find_finished(context_of(root, output, model, contrasts=("contrast0",)), ["01"])
    assert not find_finished(context_of(root, output, model), ["01"])
    assert not find_finished(context_of(root, output, model, map_format="4d"), ["01"])


def test_sets_of_maps_of_runs_and_tasks_are_each_finished(model, tmp_path):
    root = describe(tmp_path / "in")
    for entities in ("task-rest_run-1", "task-rest_run-2", "task-movie"):
        run(root, "01", entities, session="a")
    context = context_of(
        root, tmp_path / "out", model, combine_runs=False, task_id=("rest", "movie"), session_label=("a",)
    )
    maps = finish(context, ["01"])
    (records,) = find_finished(context, ["01"]).values()
    assert sorted(record.name for record in records) == [
        "sub-01 ses-a task-movie", "sub-01 ses-a task-rest run-1", "sub-01 ses-a task-rest run-2"
    ]  # fmt: skip
    assert {record.n_maps for record in records} == {len(context.required_maps.contrasts)}
    next(path for path in maps if "task-movie" in path.name).unlink()
    assert not find_finished(context, ["01"])


def test_custom_regressors_are_part_of_the_input(model, tmp_path):
    root, custom = describe(tmp_path / "in"), tmp_path / "custom"
    run(root, "01")
    table = touch(custom / f"sub-01_task-rest_{CONFOUNDS}", "a\n1\n")
    context = context_of(root, tmp_path / "out", model, custom_confounds=custom)
    finish(context, ["01"])
    assert find_finished(context, ["01"])
    table.write_text("a\n12\n")
    assert not find_finished(context, ["01"])


def test_files_of_further_datasets_are_part_of_the_input(simulated, model, tmp_path):
    fmriprep = shutil.copytree(simulated, tmp_path / "fmriprep")
    xcpd = describe(
        tmp_path / "xcp_d", DatasetType="derivative", GeneratedBy=[{"Name": "xcp_d", "Version": "0.10.6"}]
    )
    as_xcpd(fmriprep, xcpd, "01")
    context = context_of(
        fmriprep, tmp_path / "out", model, desc="denoised",
        derivatives=(("xcp_d", xcpd), ("fmriprep", fmriprep)),
    )  # fmt: skip
    finish(context, ["01"])
    assert find_finished(context, ["01"])
    set_time(fmriprep, next(fmriprep.glob("sub-01/func/*brain_mask.nii.gz")))
    assert not find_finished(context, ["01"])


@pytest.mark.parametrize(
    ("arrange", "name", "subject"),
    [(as_hcp, "100307", "100307"), (as_ukb, "1000015_20227_2_0", "1000015")],
)
def test_participants_of_archives_are_finished_until_their_input_changes(
    simulated, model, tmp_path, arrange, name, subject
):
    root = tmp_path / "archive"
    bold = arrange(simulated, root, "01", name)
    context = context_of(root, tmp_path / "out", model)
    finish(context, [subject])
    assert find_finished(context, [subject]).keys() == {subject}
    os.utime(bold, ns=(1, 1))
    assert not find_finished(context, [subject])


def test_the_folder_of_the_input_does_not_matter(model, tmp_path):
    root = describe(tmp_path / "in")
    run(root, "01")
    finish(context_of(root, tmp_path / "out", model), ["01"])
    root.rename(tmp_path / "data")
    assert find_finished(context_of(tmp_path / "data", tmp_path / "out", model), ["01"])


# What an interrupted or failed run leaves in the output folder of a finished participant.
REMAINDERS = [
    ("logs/failed-sub-01.json", json.dumps({"sub-01 task-rest": "x"})),
    ("logs/page-sub-01.txt", "Traceback"),
    ("work/connectomes/sub-01_task-rest_a_b.npy", ""),
    ("sub-01/func/.sub-01_map.nii.gz.host.99999999.tmp", ""),
    ("sub-01/func/.sub-01_task-rest_desc-qc_metrics.json.lock/1.host.99999999", ""),
]


@pytest.mark.parametrize(("name", "content"), REMAINDERS)
def test_a_finished_participant_with_remainders_of_another_run_is_processed(model, tmp_path, name, content):
    root = describe(tmp_path / "in")
    for subject in ("01", "02"):
        run(root, subject)
    context = context_of(root, tmp_path / "out", model)
    finish(context, ["01", "02"])
    path = touch(tmp_path / "out" / name, content)
    if "host" in path.name:
        # The files of processes on other machines are stale after a day.
        os.utime(path, (1, 1))
    finished = find_finished(context, ["01", "02"])
    assert finished.keys() == {"01", "02"}
    connectomes = tmp_path / "out" / "work" / "connectomes"
    assert select_completed(context, finished, connectomes).records.keys() == {"02"}


def count_calls(context, subjects):
    """Count the calls of the operating system by which participants are found to be finished."""
    with cProfile.Profile() as profile:
        finished = find_finished(context, subjects)
        select_completed(context, finished, context.settings.output_dir / "connectomes")
    assert finished.keys() == set(subjects)
    calls = {name: entry[1] for (_, _, name), entry in pstats.Stats(profile).stats.items()}
    kinds = {"stat": "posix.stat", "scandir": "posix.scandir", "open": "io.open", "lstat": "posix.lstat"}
    return {
        kind: sum(number for name, number in calls.items() if name == f"<built-in method {label}>")
        for kind, label in kinds.items()
    }


def test_the_calls_of_the_operating_system_are_proportional_to_the_participants(model, tmp_path):
    root = describe(tmp_path / "in")
    subjects = [f"{number:02d}" for number in range(30)]
    for subject in subjects:
        run(root, subject)
    context = context_of(root, tmp_path / "out", model)
    finish(context, subjects)
    small, medium, large = (count_calls(context, subjects[:number]) for number in (10, 20, 30))
    for kind in small:
        assert large[kind] - medium[kind] == medium[kind] - small[kind]
    per_participant = {kind: (large[kind] - small[kind]) / 20 for kind in small}
    # Fewer than the files of a participant: folders are scanned, and only what is read is opened.
    assert per_participant["stat"] <= 16
    assert per_participant["scandir"] <= 8
    assert per_participant["open"] <= 2
