"""Files are moved into the dataset from a work folder that is another mount, as in a container."""

import shutil
import subprocess
import sys

import pytest

PUBLISH = """
import sys
from pathlib import Path
from bids_deeptaskgen.group.publish import publish, staging_folder
with staging_folder(Path(sys.argv[1], "mount")) as staging:
    (staging / "group").mkdir()
    (staging / "group" / "a").write_text("1")
    publish(staging, Path(sys.argv[1], "out"))
"""


def test_the_work_folder_may_be_another_mount_of_the_same_disk(tmp_path):
    in_new_mounts = ("unshare", "--map-root-user", "--mount")
    if shutil.which("unshare") is None or subprocess.run([*in_new_mounts, "true"], check=False).returncode:
        pytest.skip("this user cannot mount folders")
    for name in ("out", "work", "mount"):
        (tmp_path / name).mkdir()
    script = 'mount --bind "$1/work" "$1/mount" && exec "$2" -c "$3" "$1"'
    words = ["sh", "-c", script, "sh", tmp_path, sys.executable, PUBLISH]
    subprocess.run([*in_new_mounts, *words], check=True)
    assert (tmp_path / "out" / "group" / "a").read_text() == "1"
    assert list((tmp_path / "work").iterdir()) == []
