"""Which files of two runs are compared."""

import json

from tests.faults.comparable_files import analysis, states_failure

FAILURE = b"<html><p>There are no maps of this participant.</p></html>\n"


def test_only_a_whole_page_may_state_a_failure():
    assert states_failure("out/sub-01.html", FAILURE)
    assert not states_failure("out/sub-01.html", FAILURE[:-8])
    assert not states_failure("out/sub-01.html", b"<html></html>")
    assert not states_failure("out/README", FAILURE)


def test_an_analysis_is_valid_without_overwrite_wherever_that_stands_and_damaged_otherwise():
    for names in (["overwrite", "seed"], ["seed", "overwrite"]):
        content = json.dumps({"Settings": dict.fromkeys(names, 1)}, indent=2).encode()
        assert json.loads(analysis(content)) == {"Settings": {"seed": 1}}
        assert analysis(content[:-3]) == content[:-3]
