"""Runs of commands under conditions: start, and properties of their messages and files."""

import re

from tests.faults.conditions import Circumstance, Scene

# Words of a message about the file system or the limits of the machine, each with a remedy.
PROBLEMS = re.compile(
    r"the disk is full|the disk quota is used up|the disk cannot be read or written|access is denied|"
    r"the file system is read-only|cannot be read|cannot be written|out of memory|"
    r"no further process can be started|too many files are open|the network drive|was deleted during the run"
)
REMEDIES = re.compile(
    r"[Cc]hoose|[Ff]ree some space|[Cc]heck|[Cc]hange|[Ss]tart again|[Ii]ncrease|[Cc]opy|[Rr]epeat"
)


def start_under(stage, *circumstances, words=()):
    """Start the command of a stage under some circumstances, the outermost first."""
    both = Circumstance(
        tuple(word for circumstance in circumstances for word in circumstance.prefix),
        {name: value for circumstance in circumstances for name, value in circumstance.environment.items()},
    )
    return stage.start(prefix=both.prefix, environment=both.environment, words=words)


def scene_of(stage, scratch):
    """Return the folders of a stage for a condition."""
    return Scene(stage.place, scratch, stage.inputs)


def assert_for_users(run):
    """Assert that the output of a run has no trace of the program's inner parts."""
    words = run.words
    for trace in ("Traceback", "internal error", "Exception ignored", "Errno"):
        assert trace not in words, words


def assert_refused(run, code, codes=(1, 2, 3)):
    """Assert that a run has ended with a message that names the problem and a remedy."""
    assert code in codes, run.words
    assert_for_users(run)
    assert PROBLEMS.search(run.words), run.words
    assert REMEDIES.search(run.words), run.words
