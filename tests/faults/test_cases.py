"""Each command of the table gives the same bytes twice: otherwise no fault could be judged."""

import pytest

from tests.faults.command_cases import CASES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_two_undisturbed_runs_give_the_same_bytes(stage):
    assert stage.expected
    run = stage.start()
    assert run.wait() == 0, run.words
    results = stage.results()
    assert {
        name for name in results | stage.expected if results.get(name) != stage.expected.get(name)
    } == set()
