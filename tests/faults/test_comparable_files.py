"""Which files of two runs are compared."""

from tests.faults.comparable_files import states_failure

FAILURE = b"<html><p>There are no maps of this participant.</p></html>\n"


def test_only_a_whole_page_may_state_a_failure():
    assert states_failure("out/sub-01.html", FAILURE)
    assert not states_failure("out/sub-01.html", FAILURE[:-8])
    assert not states_failure("out/sub-01.html", b"<html></html>")
    assert not states_failure("out/README", FAILURE)
