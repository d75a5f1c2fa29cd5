"""Whenever a run is killed, the next one ends with the bytes of a run that was left alone."""

import random
import shutil

import pytest

from tests.processes import finished_files, leftovers, results

pytestmark = pytest.mark.slow
N_KILLS = 10


def kill_after(app, seconds):
    """Kill all processes of a run after some time; False if it was done before."""
    if not app.runs_for(seconds):
        assert app.wait() == 0, app.words
        return False
    app.kill()
    return True


@pytest.mark.parametrize("n_procs", ["1", "2"])
def test_ten_kills_at_random_moments_change_no_byte(start, duration, alone, tmp_path, n_procs):
    output = tmp_path / "out"
    took = duration("--nprocs", n_procs)
    chance = random.Random(int(n_procs))
    # One moment in each tenth of the run, in any order.
    moments = [(tenth + chance.random()) / N_KILLS * took for tenth in range(N_KILLS)]
    chance.shuffle(moments)
    for moment in moments:
        while not kill_after(start("--nprocs", n_procs), moment):
            # What earlier runs had left to do was less than this; so the moment comes in a new one.
            assert results(output) == alone
            assert leftovers(output) == []
            shutil.rmtree(output)
            moment *= 0.95
        whole = finished_files(output) if output.exists() else {}
        assert whole.items() <= alone.items(), moment
    app = start("--nprocs", n_procs)
    assert app.wait() == 0, app.words
    assert results(output) == alone
    assert leftovers(output) == []
