"""Files that a library cannot open: the error of the system is named."""

import errno
import os
import resource
from contextlib import contextmanager

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from bids_deeptaskgen.errors import UserError, system_refusal
from bids_deeptaskgen.io.opening import name_reason


@contextmanager
def no_more_files():
    """Forbid this process to open further files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest free number.
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_too_many_open_files_are_not_a_missing_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(OSError, match="open files") as caught, no_more_files(), name_reason(path):
        safe_open(path, framework="np")
    assert caught.value.errno == errno.EMFILE
    assert str(path) in system_refusal(caught.value)[1]


def test_a_missing_file_and_a_refusal_of_a_moment_have_a_remedy(tmp_path):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(UserError, match="no such file.\nFetch or import"), name_reason(path):
        safe_open(path, framework="np")
    path.touch()
    with pytest.raises(UserError, match="Start again"), name_reason(path):
        raise FileNotFoundError
