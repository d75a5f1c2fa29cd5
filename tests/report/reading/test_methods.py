"""The methods text of a page: a file that is missing is stated, one that the disk refuses ends the page."""

import errno
from pathlib import Path

import pytest

from bids_deeptaskgen.report.reading.participant import _methods


def test_a_dataset_with_no_methods_text_is_described(tmp_path):
    assert "CITATION.md" in _methods(tmp_path)


def test_a_methods_text_that_the_disk_refuses_is_not_left_out(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(OSError, match="Stale") as caught:
        _methods(tmp_path)
    assert caught.value.filename == str(tmp_path / "CITATION.md")
