"""Participants and pages of which no process has left a record: the reason is the error of the system."""

from bids_deeptaskgen.io.marked_folder import mark_folder
from bids_deeptaskgen.workflow import run

FULL = "the disk is full (/work). Free some space and start again; finished results are kept."


def test_an_error_of_the_system_is_the_reason_of_participants_without_a_record(tmp_path):
    (record,) = run._add_lost([], ["01"], tmp_path, FULL, stops=False)
    assert (record.subject, record.reason) == ("01", FULL)


def test_an_error_of_the_system_is_the_reason_of_pages_without_an_outcome(tmp_path):
    (page,) = run._add_lost_pages(["01"], tmp_path, FULL)
    assert page.error == f"{FULL}\nMake the page with --reports-only."


def test_the_end_of_a_process_is_the_reason_if_there_was_no_error_of_the_system(tmp_path):
    with mark_folder(tmp_path):
        (record,) = run._add_lost([], ["01"], tmp_path, "", stops=False)
    assert record.reason.startswith("its process ended before it was done")
