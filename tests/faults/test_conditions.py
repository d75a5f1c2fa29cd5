"""Machines that lack something: a command needs no home, locale, shared memory, user name or network."""

import pytest

from tests.faults import conditions
from tests.faults.circumstances import assert_for_users, scene_of, start_under
from tests.faults.command_cases import CASE_BY_NAME, CASES
from tests.faults.fault_table import CONDITION

# Of these, a command may notice something.
FOR_EACH_CASE = (
    conditions.home_read_only,
    conditions.no_shared_memory,
    conditions.tmp_read_only,
    conditions.umask_077,
    conditions.no_network,
    conditions.other_user,
)
# All commands share the code that these concern; each is tried with half of them.
FOR_HALF_OF_THE_CASES = (
    conditions.empty_environment,
    conditions.small_tmp,
    conditions.locale_posix,
    conditions.few_files,
    conditions.reader_ends,
    conditions.streams_closed,
)
# The server of the published files is reached through the network.
IMPOSSIBLE = {("fetch", conditions.no_network)}
# Of the conditions that concern all commands alike, the default tests try some.
FAST = (
    (CASE_BY_NAME["participant"], conditions.no_shared_memory),
    (CASE_BY_NAME["store_pack"], conditions.tmp_read_only),
    (CASE_BY_NAME["store_pack"], conditions.other_user),
)


def pairs(rows):
    return pytest.mark.parametrize(
        ("case", "condition"),
        [pytest.param(case, condition, id=f"{case.name}-{condition.__name__}") for case, condition in rows],
    )


def assert_unaffected(stage, condition, scratch, faults):
    """Assert that a command gives the same bytes as on any machine."""
    with condition(scene_of(stage, scratch)) as circumstance:
        run = start_under(stage, circumstance)
        code = run.wait()
    faults.add(stage.case.name, condition.__name__, exit_code=code, category=CONDITION)
    assert code == 0, run.words
    assert_for_users(run)
    stage.assert_complete()
    return run


@pairs(FAST)
def test_a_command_needs_neither_shared_memory_nor_tmp_nor_a_user_name(stage, condition, tmp_path, faults):
    run = assert_unaffected(stage, condition, tmp_path, faults)
    if condition is conditions.no_shared_memory:
        assert "No semaphore can be created in /dev/shm" in run.words


ALL = [(case, condition) for case in CASES for condition in FOR_EACH_CASE]
ALL += [
    (case, condition)
    for number, case in enumerate(CASES)
    for condition in FOR_HALF_OF_THE_CASES[number % 2 :: 2]
]


@pytest.mark.slow
@pairs((case, condition) for case, condition in ALL if (case.name, condition) not in IMPOSSIBLE)
def test_a_command_gives_the_same_bytes_on_a_machine_that_lacks_something(stage, condition, tmp_path, faults):
    assert_unaffected(stage, condition, tmp_path, faults)
