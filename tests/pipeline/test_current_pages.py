"""Pages are current if and only if writing them again would change nothing."""

import pytest

from bids_deeptaskgen.bids.output.recorded_failures import update_failures
from bids_deeptaskgen.pipeline.records import MAPS_EXIST, Record
from bids_deeptaskgen.pipeline.report_step import PageOutcome, find_current_pages, write_pages
from tests.pipeline.test_report_step import add_result, drawn, job, results

__all__ = ["drawn", "results"]


def page_names(folder):
    return [path.name for path in (folder / "out").glob("sub-01*.html")]


def current_pages(folder, **changes):
    return find_current_pages(job(folder, **changes), page_names(folder))


@pytest.fixture
def written(tmp_path, drawn, results):
    """Write the page of two sessions; return the folder."""
    for session in "12":
        add_result(tmp_path, results, session)
    write_pages(job(tmp_path), [Record("01", status=MAPS_EXIST)])
    return tmp_path


def test_pages_that_were_just_written_are_current(written):
    assert current_pages(written) == PageOutcome("01", ("sub-01.html",))
    (written / "out" / "sub-01_notes.html").write_text("<html>notes of the lab</html>", "utf-8")
    assert current_pages(written) == PageOutcome("01", ("sub-01.html",))


def test_the_current_pages_of_many_sessions_are_all_listed(written, results):
    for session in "34":
        add_result(written, results, session)
    assert current_pages(written) is None
    pages = write_pages(job(written)).pages
    assert len(pages) == 4
    assert current_pages(written) == PageOutcome("01", pages)
    (written / "out" / pages[2]).unlink()
    assert current_pages(written) is None


def delete_page(folder, _results):
    (folder / "out" / "sub-01.html").unlink()


def change_record(folder, results):
    results[1].path(folder / "out", "qc_metrics").write_text('{"n_volumes": 1}', "utf-8")


def delete_record(folder, results):
    results[1].path(folder / "out", "qc_metrics").unlink()


def record_failure(folder, _results):
    update_failures(folder / "out", "01", {"sub-01 ses-3": "x"}, ["sub-01 ses-3"])


def leave_page_of_session(folder, _results):
    page = folder / "out" / "sub-01.html"
    page.with_name("sub-01_ses-1.html").write_bytes(page.read_bytes())


@pytest.mark.parametrize(
    "alter", [delete_page, change_record, delete_record, record_failure, leave_page_of_session]
)
def test_pages_are_not_current_after_an_alteration(written, results, alter):
    alter(written, results)
    assert current_pages(written) is None


@pytest.mark.parametrize("changes", [{"reports": "qc"}, {"is_forced": True}])
def test_pages_of_another_kind_or_to_be_made_again_are_not_current(written, changes):
    assert current_pages(written, **changes) is None
