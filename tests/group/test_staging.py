"""The work folder that several group runs share."""

import pytest

from bids_deeptaskgen.group.publish import staging_folder


@pytest.mark.parametrize("keep", [False, True])
def test_the_last_of_several_runs_removes_the_work_folder_unless_the_user_chose_it(tmp_path, keep):
    counterpart = tmp_path / "work" / ".group.new.elsewhere.1.tmp"
    counterpart.mkdir(parents=True)
    with staging_folder(tmp_path / "work", keep=keep):
        counterpart.rmdir()
    assert (tmp_path / "work").exists() == keep
