"""Errors of a disk are no property of a file: nothing is left out because of them."""

import errno
import os
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.input.derivatives import read_description
from bids_deeptaskgen.bids.output.completion import Maps, write_completion
from bids_deeptaskgen.bids.output.connectome_files import find_connectomes
from bids_deeptaskgen.bids.output.results import Result, read_dataset
from bids_deeptaskgen.errors import DISK_ERRORS, raise_disk_error, system_refusal
from bids_deeptaskgen.io.text import read_text
from bids_deeptaskgen.models.card import read_card
from bids_deeptaskgen.pipeline.claim import refuse_mixture
from bids_deeptaskgen.settings.participant import ParticipantSettings
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


@pytest.fixture
def failing_folder(monkeypatch):
    """Let the scan of a folder be refused."""

    def refuse(folder, code):
        scan = os.scandir

        def scandir(path="."):
            if Path(path) == folder:
                raise OSError(code, os.strerror(code), str(path))
            return scan(path)

        monkeypatch.setattr(os, "scandir", scandir)

    return refuse


@pytest.fixture
def output(tmp_path):
    """Return a dataset with the completion records of two participants."""
    for subject in ("01", "02"):
        result = Result(subject, None, (("task", "rest"),), {}, "a" * 64, Maps("3d", ()))
        write_completion(tmp_path, result, {}, files=[], settings_hash="a" * 64, fingerprint="f")
    return tmp_path


@pytest.mark.parametrize("name", ["", "sub-02", "sub-02/func"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_no_result_is_left_out_because_the_disk_refuses_its_folder(output, failing_folder, name, code):
    assert len(read_dataset(output)[0]) == 2
    failing_folder(output / name, code)
    with pytest.raises(OSError, match=os.strerror(code)):
        read_dataset(output)


def test_maps_of_other_settings_are_not_overlooked_because_the_disk_refuses_their_folder(
    output, failing_folder
):
    failing_folder(output / "sub-01" / "func", errno.EIO)
    settings = ParticipantSettings(bids_dir=output.parent / "in", output_dir=output)
    with pytest.raises(OSError, match="Input/output error"):
        refuse_mixture(settings, "a" * 64, [])


def test_the_results_of_a_folder_that_is_closed_to_this_user_are_left_out(output, failing_folder):
    failing_folder(output / "sub-02" / "func", errno.EACCES)
    assert [result.subject for result in read_dataset(output)[0]] == ["01"]
