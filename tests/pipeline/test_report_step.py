"""Pages are made after the maps, and never affect them."""

import errno
import os

import pytest

from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.pipeline import report_step
from bids_deeptaskgen.pipeline.records import FAILED, MAPS_EXIST, MAPS_WRITTEN, Record
from bids_deeptaskgen.pipeline.report_step import PageJob, PageOutcome, read_outcomes, write_pages
from bids_deeptaskgen.report.pages import kind_mark
from bids_deeptaskgen.report.reading import session_agreement


@pytest.fixture
def drawn(monkeypatch):
    """Replace the drawing of pages; return the calls: results and failures."""
    calls = []

    def render(job, results, state, _agreement):
        calls.append((list(results), dict(state.failures)))
        digest = f'<meta name="deeptaskgen-content" content="{state.digest}">'
        return f"<html><head>{kind_mark(job.reports)}{digest}</head>{len(calls)}</html>"

    monkeypatch.setattr(report_step, "_render", render)
    monkeypatch.setattr(session_agreement, "compare_results", lambda _output, members, _bundle: len(members))
    return calls


@pytest.fixture
def results(monkeypatch, tmp_path):
    """Return the list of results that the dataset has; a test fills it."""
    content = []
    monkeypatch.setattr(report_step, "read_dataset", lambda _output, _subjects: (content, []))
    return content


def job(folder, **changes):
    values = {"subject": "01", "output_dir": folder / "out", "reports": "full", "outcomes": folder / "pages"}
    return PageJob(**(values | changes))


def add_result(folder, results, session=None, content="{}"):
    result = Result("01", session, (("task", "rest"),), {}, "a" * 64, Maps("3d", ("wm2bk",)))
    record = result.path(folder / "out", "qc_metrics")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(content, "utf-8")
    results.append(result)


def test_a_page_of_unchanged_maps_is_kept_and_any_other_is_made_again(tmp_path, drawn, results):
    add_result(tmp_path, results)
    unchanged = [Record("01", status=MAPS_EXIST)]
    assert write_pages(job(tmp_path), unchanged) == PageOutcome("01", ("sub-01.html",))
    write_pages(job(tmp_path), unchanged)
    assert len(drawn) == 1
    write_pages(job(tmp_path), [Record("01", status=MAPS_WRITTEN)])
    write_pages(job(tmp_path, is_forced=True), unchanged)
    write_pages(job(tmp_path, reports="qc"), unchanged)
    assert len(drawn) == 4
    # The time of a file says nothing about its content.
    os.utime(tmp_path / "out" / "sub-01.html", (1, 1))
    write_pages(job(tmp_path, reports="qc"), unchanged)
    assert len(drawn) == 4


def test_a_page_shows_sessions_that_other_jobs_finish(tmp_path, drawn, results):
    add_result(tmp_path, results, "1")
    unchanged = [Record("01", "1", (("task", "rest"),), status=MAPS_EXIST)]
    write_pages(job(tmp_path), unchanged)
    page = tmp_path / "out" / "sub-01.html"
    future = page.stat().st_mtime + 1000
    os.utime(page, (future, future))
    add_result(tmp_path, results, "2")
    write_pages(job(tmp_path), unchanged)
    assert [len(members) for members, _ in drawn] == [1, 2]
    record = results[0].path(tmp_path / "out", "qc_metrics")
    record.write_text('{"other": 1}', "utf-8")
    write_pages(job(tmp_path), unchanged)
    assert len(drawn) == 3


def test_a_session_that_is_finished_while_a_page_is_drawn_comes_onto_it(
    tmp_path, drawn, results, monkeypatch
):
    for session in "123":
        add_result(tmp_path, results, session)
    draw = report_step._render
    newer = [tmp_path / "out" / f"sub-01_ses-{session}.html" for session in "1234"]

    def draw_slowly(*arguments):
        text = draw(*arguments)
        if len(results) == 3:
            # Another job finishes the fourth session, and divides the pages.
            add_result(tmp_path, results, "4")
            monkeypatch.setattr(report_step, "_render", draw)
            write_pages(job(tmp_path, outcomes=tmp_path / "other"))
            assert all(path.is_file() for path in newer)
        return text

    monkeypatch.setattr(report_step, "_render", draw_slowly)
    assert write_pages(job(tmp_path)).pages == tuple(path.name for path in newer)
    assert sorted((tmp_path / "out").glob("*.html")) == newer


def test_failures_are_kept_until_the_session_is_finished(tmp_path, drawn, results):
    failed = [Record("01", session, (("task", "rest"),), FAILED, f"bad {session}") for session in "12"]
    write_pages(job(tmp_path), failed[:1])
    write_pages(job(tmp_path), failed[1:])
    both = {"sub-01 ses-1 task-rest": "bad 1", "sub-01 ses-2 task-rest": "bad 2"}
    assert drawn[-1] == ([], both)
    # As --reports-only does.
    write_pages(job(tmp_path, is_forced=True))
    assert drawn[-1] == ([], both)
    add_result(tmp_path, results, "1")
    write_pages(job(tmp_path), [failed[0].replace(status=MAPS_WRITTEN, reason="")])
    assert drawn[-1][1] == {"sub-01 ses-2 task-rest": "bad 2"}
    add_result(tmp_path, results, "2")
    write_pages(job(tmp_path), [failed[1].replace(status=MAPS_EXIST, reason="")])
    assert drawn[-1][1] == {}
    assert not list((tmp_path / "out" / "logs").iterdir())


def test_a_failure_after_maps_of_an_earlier_run_is_told_from_one_without_maps(tmp_path, results, monkeypatch):
    states = []
    monkeypatch.setattr(
        report_step,
        "_render",
        lambda _job, _members, state, _agreement: states.append(state) or "<html></html>",
    )
    add_result(tmp_path, results, "1")
    failed = [Record("01", session, (("task", "rest"),), FAILED, "bad") for session in "12"]
    write_pages(job(tmp_path), failed)
    assert states[0].failures.keys() == {"sub-01 ses-1 task-rest", "sub-01 ses-2 task-rest"}
    assert states[0].failures_with_maps == {"sub-01 ses-1 task-rest"}


def test_unusable_maps_are_named_by_participant_and_session(tmp_path, drawn, monkeypatch):
    faults = [ResultFault("01", None, (), "no file"), ResultFault("01", "1", (), "empty")]
    monkeypatch.setattr(report_step, "read_dataset", lambda _output, _subjects: ([], faults))
    write_pages(job(tmp_path))
    assert drawn[-1] == ([], {"sub-01": "no file", "sub-01 ses-1": "empty"})


@pytest.mark.parametrize("target", ["write_json", "write_text"])
def test_a_full_disk_or_a_strange_name_does_not_stop_the_run(
    tmp_path, drawn, results, monkeypatch, caplog, target
):
    add_result(tmp_path, results)

    def fail(*_arguments):
        message = "name \udcff"
        raise ValueError(message)

    def refuse(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(report_step, "_render", fail)
        broken.setattr(report_step, target, refuse)
        outcome = write_pages(job(tmp_path))
    assert outcome.error.startswith(r"ValueError: name \udcff")
    assert ("cannot be saved (the disk is full. Free some space" in caplog.text) == (target == "write_json")
    with monkeypatch.context() as broken:
        broken.setattr(report_step, "_render", fail)
        assert write_pages(job(tmp_path)) == read_outcomes(tmp_path / "pages")[0]
    assert r"\udcff" in (tmp_path / "out" / "logs" / "page-sub-01.txt").read_text("utf-8")


def test_a_full_disk_is_named_without_a_traceback(tmp_path, drawn, results, monkeypatch):
    add_result(tmp_path, results)
    page = tmp_path / "out" / "sub-01.html"

    def refuse(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(page))

    monkeypatch.setattr(report_step, "_render", refuse)
    outcome = write_pages(job(tmp_path))
    assert outcome.error.startswith(f"the disk is full ({page}). Free some space and start again")
    assert not (tmp_path / "out" / "logs" / "page-sub-01.txt").exists()


def test_failures_of_this_participant_are_on_the_page_even_without_maps(tmp_path, drawn, results):
    records = [
        Record("01", status=FAILED, reason="all values are NaN"),
        Record("02", status=FAILED, reason="no"),
    ]
    outcome = write_pages(job(tmp_path), records)
    assert outcome.pages == ("sub-01.html",)
    assert drawn == [([], {"sub-01": "all values are NaN"})]


def test_a_participant_without_maps_and_failures_has_no_page(tmp_path, drawn, results):
    assert write_pages(job(tmp_path)).pages == ()
    assert not drawn


def test_pages_of_an_earlier_division_into_sessions_are_removed(tmp_path, drawn, results):
    add_result(tmp_path, results, "1")
    write_pages(job(tmp_path))
    foreign = tmp_path / "out" / "sub-01_notes.html"
    foreign.write_text("<html>notes of the lab</html>", "utf-8")
    for session in "234":
        add_result(tmp_path, results, session)
    pages = write_pages(job(tmp_path)).pages
    assert pages == tuple(f"sub-01_ses-{session}.html" for session in "1234")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.html")) == [foreign.name, *pages]


def test_all_sets_of_maps_are_compared_once_and_each_page_has_the_result(tmp_path, results, monkeypatch):
    compared, drawn = [], []

    def compare(_output, members, _bundle):
        compared.append([result.session for result in members])
        return "agreement"

    def render(job, members, state, agreement):
        drawn.append(([result.session for result in members], agreement))
        digest = f'<meta name="deeptaskgen-content" content="{state.digest}">'
        return f"<html><head>{kind_mark(job.reports)}{digest}</head></html>"

    monkeypatch.setattr(session_agreement, "compare_results", compare)
    monkeypatch.setattr(report_step, "_render", render)
    for session in "12345":
        add_result(tmp_path, results, session)
    write_pages(job(tmp_path))
    assert compared == [list("12345")]
    assert drawn == [([session], "agreement") for session in "12345"]
    unchanged = [Record("01", session, status=MAPS_EXIST) for session in "12345"]
    write_pages(job(tmp_path), unchanged)
    assert len(drawn) == 5
    # The maps of a session change the agreement on all pages.
    record = results[2].path(tmp_path / "out", "qc_metrics")
    record.write_text('{"minutes_kept": 2}', "utf-8")
    write_pages(job(tmp_path), unchanged)
    assert (len(compared), len(drawn)) == (2, 10)


def test_an_error_becomes_the_outcome_with_a_traceback_until_the_page_is_made(
    tmp_path, drawn, results, monkeypatch
):
    add_result(tmp_path, results)

    def fail(*_arguments):
        message = "no colours"
        raise ValueError(message)

    with monkeypatch.context() as broken:
        broken.setattr(report_step, "_render", fail)
        outcome = write_pages(job(tmp_path))
    traceback = tmp_path / "out" / "logs" / "page-sub-01.txt"
    assert outcome.pages == ()
    assert outcome.error == f"ValueError: no colours\nSee {traceback}."
    assert "in fail" in traceback.read_text("utf-8")
    assert read_outcomes(tmp_path / "pages") == [outcome]
    assert write_pages(job(tmp_path)).error == ""
    assert not traceback.exists()
