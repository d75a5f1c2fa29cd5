"""The work folder that several group runs share."""

import shutil

import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.publish import publish, staging_folder
from bids_deeptaskgen.io.atomic import write_text


@pytest.mark.parametrize("keep", [False, True])
def test_the_last_of_several_runs_removes_the_work_folder_unless_the_user_chose_it(tmp_path, keep):
    counterpart = tmp_path / "work" / ".group.new.elsewhere.1.tmp"
    counterpart.mkdir(parents=True)
    with staging_folder(tmp_path / "work", keep=keep):
        counterpart.rmdir()
    assert (tmp_path / "work").exists() == keep


@pytest.mark.parametrize("files", [(), ("z",)])
def test_files_of_a_folder_that_was_deleted_meanwhile_are_not_published(tmp_path, files):
    def delete():
        with staging_folder(tmp_path / "work") as staging:
            write_text(staging / "group" / "a", "1")
            shutil.rmtree(tmp_path / "work")
            # Writing creates the folder again.
            for name in files:
                write_text(staging / "group" / name, "2")
            publish(staging, tmp_path)

    with pytest.raises(UserError, match=r"this work folder was deleted during the run.\nStart again"):
        delete()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert not (tmp_path / "work").exists()
