"""Many runs may write to one dataset at once, as the tasks of a Slurm array do."""

import pytest

from tests.processes import leftovers, results

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("parts", [("01 02", "03 04"), ("01", "02", "03", "04")])
def test_concurrent_runs_of_different_participants_equal_one_run(start, alone, parts):
    runs = [start("--nprocs", "1", "--participant-label", *part.split()) for part in parts]
    assert [app.wait() for app in runs] == [0] * len(parts), [app.words for app in runs]
    output = runs[0].output
    assert results(output) == alone
    assert leftovers(output) == []
    assert len(list(output.glob("logs/*_participants.tsv"))) == len(parts)


def test_concurrent_runs_of_the_same_participants_equal_one_run(start, alone):
    runs = [start("--nprocs", "1") for _ in range(2)]
    assert [app.wait() for app in runs] == [0, 0], [app.words for app in runs]
    assert results(runs[0].output) == alone
    assert leftovers(runs[0].output) == []
