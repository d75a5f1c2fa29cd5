"""Two users of a group who take turns in one output folder."""

import contextlib
import os

import pytest

from tests.faults.circumstances import assert_for_users, assert_refused, scene_of, start_under
from tests.faults.command_cases import CASE_BY_NAME, is_temporary
from tests.faults.command_stage import Watch
from tests.faults.conditions import Circumstance, as_user, make_passable, shell_prefix

GROUP = 12399
USERS = (12345, 12346)
CASES = [
    CASE_BY_NAME[name]
    for name in (
        "participant",
        "participant_pages",
        "group",
        "store_pack",
        "train",
        "biomarkers",
        "export",
        "predict",
    )
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
fast_case = pytest.mark.parametrize("case", [CASE_BY_NAME["store_pack"]], ids=lambda case: case.name)


@contextlib.contextmanager
def shared_place(stage):
    """Let a group own the folder of the outputs, and all new folders in it."""

    def own(user, group, mode):
        for path in (stage.place, *stage.place.rglob("*")):
            os.chown(path, user, group)
            if path.is_dir():
                path.chmod(mode)

    own(USERS[0], GROUP, 0o2775)
    make_passable(stage.inputs)
    yield
    own(os.getuid(), os.getgid(), 0o755)


def start_as(stage, user, umask, scratch):
    prefix = as_user(user, scene_of(stage, scratch), group=GROUP)
    return start_under(stage, Circumstance(prefix), Circumstance(shell_prefix(f'umask {umask}; exec "$@"')))


def stop_midway(stage, run):
    """Kill a run when it has half of its files."""
    watch = Watch(stage.place)
    while run.running() and watch.look() < stage.n_changes // 2:
        pass
    if run.running():
        run.kill()
    else:
        assert run.wait() == 0, run.words


def assert_second_user_continues(stage, scratch, faults):
    with shared_place(stage):
        stop_midway(stage, start_as(stage, USERS[0], "002", scratch))
        run = start_as(stage, USERS[1], "002", scratch)
        code = run.wait()
        assert code == 0, run.words
        assert_for_users(run)
        results = {name: content for name, content in stage.results().items() if not is_temporary(name)}
        assert results == stage.expected
    faults.add(stage.case.name, "second user continues", exit_code=code)
    # Only the first user, or root, can remove the private folder of the run that was killed.
    stage.assert_restart_completes()


@fast_case
def test_a_second_user_of_the_group_continues(stage, tmp_path, faults):
    assert_second_user_continues(stage, tmp_path, faults)


@pytest.mark.slow
@each_case
def test_a_second_user_of_the_group_continues_each_command(stage, tmp_path, faults):
    assert_second_user_continues(stage, tmp_path, faults)


@pytest.mark.slow
@each_case
def test_a_second_user_without_rights_gets_a_message_and_the_first_continues(stage, tmp_path, faults):
    with shared_place(stage):
        stop_midway(stage, start_as(stage, USERS[0], "077", tmp_path))
        run = start_as(stage, USERS[1], "077", tmp_path)
        code = run.wait()
        if code:
            assert_refused(run, code)
        first = start_as(stage, USERS[0], "077", tmp_path)
        first_code = first.wait()
        # What the second user has written may be closed to the first.
        if first_code:
            assert_refused(first, first_code)
    faults.add(stage.case.name, "second user without rights", exit_code=code)
    n_kept, _ = stage.assert_nothing_torn()
    stage.assert_restart_completes()
