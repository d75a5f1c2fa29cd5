"""Laws of the folders that a run writes to: they are not those of its input, whatever their spelling."""

from pathlib import Path

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.pipeline.check_folders import check_folders
from bids_deeptaskgen.settings.participant import ParticipantSettings


@pytest.fixture
def raw(tmp_path):
    """Create a raw dataset with derivatives, and a link to it."""
    (tmp_path / "raw" / "derivatives" / "fmriprep" / "sub-01").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "raw")
    return tmp_path / "raw"


@pytest.mark.parametrize("output", ["../raw", "../link", "derivatives/fmriprep", "x/../derivatives/fmriprep"])
@pytest.mark.parametrize("role", ["output_dir", "work_dir"])
def test_a_folder_of_the_input_is_refused_in_any_spelling(raw, output, role):
    (raw / "x").mkdir()
    folders = {"output_dir": raw.parent / "out", "work_dir": None} | {role: Path(raw, output)}
    with pytest.raises(UserError, match="a folder of data|choose another folder") as caught:
        check_folders(ParticipantSettings(bids_dir=raw, **folders), raw / "derivatives" / "fmriprep")
    assert caught.value.exit_code == 2


def test_the_work_folder_is_not_the_output_folder_in_any_spelling(raw):
    out = raw.parent / "out"
    out.mkdir()
    settings = ParticipantSettings(bids_dir=raw, output_dir=out, work_dir=raw / ".." / "out")
    with pytest.raises(UserError, match="a folder of data"):
        check_folders(settings, raw / "derivatives" / "fmriprep")


@pytest.mark.parametrize("output", ["derivatives/deeptaskgen", "../out", "derivatives/fmriprep/out"])
def test_a_folder_beside_the_participants_is_accepted(raw, output):
    settings = ParticipantSettings(bids_dir=raw, output_dir=Path(raw, output))
    check_folders(settings, raw / "derivatives" / "fmriprep")
