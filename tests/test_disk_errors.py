"""Errors of a disk are no property of a file: nothing is left out because of them."""

import errno
import os
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.input.derivatives import read_description
from bids_deeptaskgen.bids.output.connectome_files import find_connectomes
from bids_deeptaskgen.errors import DISK_ERRORS, raise_disk_error, system_refusal
from bids_deeptaskgen.io.text import read_text
from bids_deeptaskgen.models.card import read_card
from tests.commands.learning import make_world


@pytest.fixture
def failing_disk(monkeypatch):
    """Let each file of a name be refused by the disk, or by its modes."""

    def refuse(name, code):
        original = Path.read_bytes

        def read_bytes(path):
            if path.name == name:
                raise OSError(code, os.strerror(code))
            return original(path)

        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        monkeypatch.setattr(Path, "read_text", lambda path, *_: read_bytes(path).decode())

    return refuse


@pytest.mark.parametrize("code", DISK_ERRORS)
def test_a_disk_error_names_the_file_and_what_to_check(code):
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is checked
        raise_disk_error(OSError(code, "x"), Path("/in/bold.json"))
    exit_code, message = system_refusal(caught.value)
    assert exit_code == 1
    assert "(/in/bold.json)" in message
    assert "Check the disk or the network drive" in message


def test_other_errors_are_left_to_the_caller():
    raise_disk_error(PermissionError(errno.EACCES, "x"), Path("/in/bold.json"))
    raise_disk_error(ValueError("x"), Path("/in/bold.json"))


@pytest.mark.parametrize("read", [read_text, read_card])
def test_a_text_that_the_disk_refuses_is_not_described_as_damaged(tmp_path, failing_disk, read):
    path = tmp_path / "card.json"
    path.write_text("{}")
    failing_disk("card.json", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        read(path)


def test_a_dataset_is_not_read_without_the_description_that_the_disk_refuses(tmp_path, failing_disk):
    (tmp_path / "dataset_description.json").write_text('{"Name": "fMRIPrep"}')
    failing_disk("dataset_description.json", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        read_description(tmp_path)


def test_no_connectome_is_left_out_because_the_disk_refuses_its_sidecar(tmp_path, failing_disk):
    make_world(tmp_path)
    root = tmp_path / "connectomes"
    files = find_connectomes(root)
    assert len(files) > 1
    name = sorted(root.rglob("*_relmat.json"))[0].name
    failing_disk(name, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        find_connectomes(root)
    failing_disk(name, errno.EACCES)
    assert len(find_connectomes(root)) == len(files) - 1
