"""Pages are made after the maps, and never affect them."""

import os
import time

import pytest

from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.pipeline import report_step
from bids_deeptaskgen.pipeline.records import FAILED, MAPS_EXIST, MAPS_WRITTEN, Record
from bids_deeptaskgen.pipeline.report_step import PageJob, PageOutcome, read_outcomes, write_pages
from bids_deeptaskgen.report.pages import kind_mark
from bids_deeptaskgen.report.reading import session_agreement


@pytest.fixture
def drawn(monkeypatch):
    """Replace the drawing of pages; return the calls: results and failures."""
    calls = []

    def render(job, results, failures, _agreement):
        calls.append((list(results), dict(failures)))
        return f"<html><head>{kind_mark(job.reports)}</head>{len(calls)}</html>"

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


def add_result(folder, results, session=None):
    result = Result("01", session, (("task", "rest"),), {}, "a" * 64, Maps("3d", ("wm2bk",)))
    record = result.path(folder / "out", "qc_metrics")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}", "utf-8")
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

    def render(job, members, _failures, agreement):
        drawn.append(([result.session for result in members], agreement))
        return f"<html><head>{kind_mark(job.reports)}</head></html>"

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
    os.utime(record, ns=(record.stat().st_atime_ns, time.time_ns() + 10**9))
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
