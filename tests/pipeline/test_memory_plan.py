"""Memory of a run: how many processes fit, and who does not."""

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.bids.input.sources import locate
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.nifti_writer import nifti_header
from bids_deeptaskgen.models.bundle import open_bundle
from bids_deeptaskgen.models.memory import PredictionShape
from bids_deeptaskgen.pipeline import memory_plan
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.pipeline.memory_needs import Need, read_needs
from bids_deeptaskgen.pipeline.memory_plan import GIB, MemoryLimit, MemoryPlan, count_processes, find_limit
from bids_deeptaskgen.pipeline.memory_report import describe_memory, explain_unfit
from bids_deeptaskgen.pipeline.page_memory import PageMemory
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.bids.trees import describe, run
from tests.inprocess import call
from tests.pipeline.finished_datasets import context_of as finished_context_of
from tests.processes import SMALL


def need_of(gb, n_windows=1):
    return Need(int(gb * GIB), Path("bold.nii.gz"), "a series", n_windows, PredictionShape())


@pytest.fixture
def settings_of(participants, model, tmp_path):
    def make(**changes):
        values = {"model": str(model), "min_minutes": 0.5, "min_dof": 1}
        return ParticipantSettings(participants, tmp_path / "out", **(values | changes))

    return make


def context_of(settings):
    return make_context(settings, locate(settings.bids_dir))


@given(
    needs=st.lists(st.floats(0.01, 8), min_size=1, max_size=12),
    limit_gb=st.floats(0.5, 64),
    n_processes=st.integers(1, 32),
)
def test_what_all_processes_hold_at_a_time_is_below_the_limit(model, needs, limit_gb, n_processes):
    labels = [f"{number:02d}" for number in range(len(needs))]
    by_subject = dict(zip(labels, map(need_of, needs), strict=True))
    plan = MemoryPlan(open_bundle(model), by_subject, MemoryLimit(limit_gb, "--mem"))
    n_workers = plan.count_workers(n_processes, labels)
    assert 0 <= n_workers <= n_processes
    if not n_workers:
        return
    # The largest node fits beside waiting workers, and nipype starts no nodes beyond the rest.
    waiting_gb = plan.main_gb + n_workers * plan.idle_gb
    assert waiting_gb + (plan.nodes(labels).largest - plan.idle_gb) <= limit_gb + 1e-6
    # Of nodes that nipype starts at the same time, all fit beside what waiting workers keep.
    declared = sorted(plan.nodes([label]).connectomes - plan.idle_gb for label in labels)
    started, free_gb = [], plan.schedulable_gb(n_workers)
    for gb in declared[:n_workers]:
        if sum(started) + gb <= free_gb:
            started.append(gb)
    assert started
    assert waiting_gb + sum(started) <= limit_gb + 1e-6


@given(limit_gb=st.floats(0.5, 64), more_gb=st.floats(0, 64))
def test_more_memory_never_means_fewer_processes(model, limit_gb, more_gb):
    plan = MemoryPlan(open_bundle(model), {"01": need_of(0.3), "02": need_of(1)}, MemoryLimit(limit_gb, "x"))
    larger = replace(plan, limit=MemoryLimit(limit_gb + more_gb, "x"))
    labels = ["01", "02"]
    assert plan.count_workers(16, labels) <= larger.count_workers(16, labels)
    assert count_processes(plan, labels, 16) >= 1


def test_one_participant_needs_no_worker(model):
    plan = MemoryPlan(open_bundle(model), {"01": need_of(0.3)}, MemoryLimit(64, "x"))
    assert count_processes(plan, ["01"], 16) == 1


def test_the_limit_is_that_of_the_option_else_of_the_machine(settings_of, tmp_path):
    assert find_limit(settings_of(mem=3.0)) == MemoryLimit(3.0, "`mem`")
    limit = find_limit(settings_of())
    assert limit.gb == pytest.approx(0.9 * memory_plan.available_gb())
    assert limit.source.startswith("90% of the ")
    # The jobs of a batch system have limits of their own.
    assert find_limit(settings_of(use_plugin=tmp_path / "plugin.yml", mem=1.0)) is None


def test_headers_tell_what_sessions_need(settings_of):
    one, eight, none = (
        read_needs(context_of(settings_of(nuisance_regressors="none", **changes)), ["01", "02"])
        for changes in ({"n_windows": 1}, {"n_windows": 8}, {"reports": "none"})
    )
    assert sorted(one) == ["01", "02"]
    assert one["01"].description == "23x28x23 voxels, 30 volumes of float32, 1 run in 1 window, 1 regressor"
    assert eight["01"].n_bytes > one["01"].n_bytes > none["01"].n_bytes - 1
    assert eight["01"].prediction.n_windows == 8


def test_who_does_not_fit_learns_why_and_what_to_do(settings_of):
    settings = settings_of(n_windows=8, n_bootstrap=20)
    needs = {"01": need_of(0.2, n_windows=8), "02": need_of(5, n_windows=8)}
    plan = MemoryPlan(context_of(settings).bundle, needs, MemoryLimit(3, "`mem`"))
    reasons = explain_unfit(plan, settings)
    assert list(reasons) == ["02"]
    assert "a series" in reasons["02"]
    assert "the limit is 3.0 GB (`mem`)" in reasons["02"]
    assert "use `n_windows` 1 or `n_bootstrap` 0 or `reports` none" in reasons["02"]
    assert explain_unfit(replace(plan, limit=None), settings) == {}


def test_the_plan_is_told_in_numbers(settings_of):
    settings = settings_of(nprocs=8)
    plan = MemoryPlan(
        context_of(settings).bundle, {"01": need_of(0.2), "02": need_of(1)}, MemoryLimit(4, "`mem`")
    )
    text = describe_memory(plan, settings)
    n_workers = plan.count_workers(8, ["01", "02"])
    assert 1 < n_workers < 8
    assert f"{n_workers} of 8 processes are used within 4.0 GB (`mem`), with" in text
    assert "sub-02: a series" in text
    small = replace(plan, limit=MemoryLimit(2, "x"))
    assert "1 of 8 processes are used within 2.0 GB (x)." in describe_memory(small, settings)


def give_a_large_series(folder, subject):
    """Replace the series of a participant by the header of one with voxels of 0.5 mm."""
    (bold,) = (folder / f"sub-{subject}" / "func").glob("*_bold.nii.gz")
    affine = np.diag([0.5, 0.5, 0.5, 1.0])
    header = nifti_header((364, 436, 364, 200), affine, np.float32, t_r=2.0)
    bold.write_bytes(gzip.compress(header))
    return bold


def test_participants_that_do_not_fit_fail_and_the_others_run(copies, model, tmp_path):
    bold = give_a_large_series(copies, "02")
    options = ("--min-minutes=0.5", "--min-dof=5", "--omp-nthreads=1", "--reports=qc", "--mem=2G")
    words = (copies, tmp_path / "out", "participant", "--model", model, *options)
    planned = call(*words, "--dry-run")
    assert planned.code == 0
    assert f"{bold}: needs" in planned.out
    assert "364x436x364 voxels, 200 volumes of float32" in planned.out
    assert "the limit is 2.0 GB (--mem)" in planned.out
    assert "Memory: at most" in planned.out
    assert "`" not in planned.out
    assert not (tmp_path / "out").exists()
    ended = call(*words, "--participant-label", "01", "02", "--nprocs=1")
    assert ended.code == 1
    assert "1 of 2 participants failed" in ended.out
    assert list((tmp_path / "out" / "sub-01").rglob("*_statmap.nii.gz"))
    assert not (tmp_path / "out" / "sub-02").exists()


def test_a_model_that_does_not_fit_is_refused_before_anything_is_written(participants, model, tmp_path):
    ended = call(participants, tmp_path / "out", "participant", "--model", model, *SMALL, "--mem", "512M")
    assert ended.code == 2
    assert "the limit is 0.5 GB (--mem)" in ended.sentence
    assert "Raise --mem" in ended.sentence
    assert not (tmp_path / "out").exists()


@pytest.fixture
def copies(participants, tmp_path):
    return shutil.copytree(participants, tmp_path / "in")


def test_a_participant_whose_header_cannot_be_read_has_no_need(copies, settings_of):
    (bold,) = (copies / "sub-03" / "func").glob("*_bold.nii.gz")
    bold.write_bytes(b"no image")
    settings = replace(settings_of(), bids_dir=copies)
    needs = read_needs(context_of(settings), ["03", "04"])
    assert sorted(needs) == ["04"]


def test_prediction_fails_to_fit_with_a_sentence(settings_of):
    plan = MemoryPlan(context_of(settings_of()).bundle, {}, MemoryLimit(0.5, "`mem`"))
    with pytest.raises(UserError, match=r"needs .* GB of memory, and the limit is 0.5 GB"):
        memory_plan.check_prediction(plan)


def test_a_session_whose_header_cannot_be_read_does_not_hide_the_other_sessions(model, tmp_path):
    root = describe(tmp_path / "in")
    for session in ("1", "2", "3"):
        run(root, "01", "task-rest", session=session)
    context = finished_context_of(root, tmp_path / "out", model)
    assert read_needs(context, ["01"])["01"].prediction.n_sessions == 3
    next((root / "sub-01" / "ses-1" / "func").glob("*_bold.nii.gz")).write_bytes(b"no image")
    assert read_needs(context, ["01"])["01"].prediction.n_sessions == 2


@pytest.mark.parametrize("reports", ["full", "qc"])
def test_a_page_needs_memory_although_no_maps_are_to_be_computed(model, reports):
    bundle = open_bundle(model)
    plan = MemoryPlan(bundle, {"02": need_of(0.1)}, MemoryLimit(8, "x"), reports=reports)
    page_gb = memory_plan.PAGE_BYTES[reports] / GIB
    for labels in (["01"], ["02"], ["01", "02"]):
        assert plan.nodes(labels).pages >= plan.idle_gb + page_gb
    # Nothing is known of the sessions of 01, so they may be compared.
    assert plan.nodes(["01"]).pages > plan.nodes(["02"]).pages


@given(n_sessions=st.integers(2, 100), n_contrasts=st.integers(1, 100))
def test_a_page_of_several_sessions_holds_their_maps_and_a_copy_of_one(n_sessions, n_contrasts):
    shape = PredictionShape(n_sessions=n_sessions)
    more = memory_plan.page_bytes("qc", n_contrasts, [shape]) - memory_plan.PAGE_BYTES["qc"]
    n_maps = more / (91 * 109 * 91 * 4)
    assert n_maps >= n_sessions + 1
    assert n_maps <= max(96, n_sessions + 1)


@given(limit_gb=st.floats(0.1, 64), n_processes=st.integers(1, 64), reports=st.sampled_from(["full", "qc"]))
def test_pages_alone_leave_memory_to_the_main_process(model, limit_gb, n_processes, reports):
    memory = PageMemory(open_bundle(model), MemoryLimit(limit_gb, "x"), reports)
    n_workers = memory.count_workers(n_processes)
    assert 0 <= n_workers <= n_processes
    if n_workers:
        assert memory_plan.LIBRARIES_GB + n_workers * memory.page_gb <= limit_gb + 1e-6
        # nipype starts a page on each worker.
        each_gb = memory.page_gb - memory.idle_gb
        assert memory.schedulable_gb(n_workers) >= n_workers * each_gb - 1e-6
        assert n_workers == n_processes or memory.count_workers(n_processes + 1) == n_workers


def test_pages_can_be_planned_without_their_model_and_without_a_limit():
    memory = PageMemory(None, None, "full")
    assert memory.count_workers(7) == 7
    assert memory.schedulable_gb(7) == float("inf")
    assert replace(memory, is_4d=True).page_gb > memory.page_gb > memory.idle_gb


def test_who_has_several_sessions_learns_that_all_of_them_are_left_out(settings_of):
    need = replace(need_of(5), prediction=PredictionShape(n_sessions=3))
    plan = MemoryPlan(context_of(settings_of()).bundle, {"01": need}, MemoryLimit(3, "`mem`"))
    assert "all 3 sessions of the participant are left out" in explain_unfit(plan, settings_of())["01"]


def test_the_memory_of_a_single_process_is_that_of_the_participant_who_needs_most(settings_of):
    settings = settings_of(nprocs=1)
    many = replace(need_of(0.01), prediction=PredictionShape(n_sessions=60))
    plan = MemoryPlan(context_of(settings).bundle, {"01": need_of(0.02), "02": many})
    largest_gb = max(map(plan.single_gb, plan.needs.values()))
    assert f"in a single process {largest_gb:.1f} GB" in describe_memory(plan, settings)
    assert f"{largest_gb:.1f}" != f"{plan.single_gb(plan.needs['01']):.1f}"
