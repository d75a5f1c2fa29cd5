"""A disk that is full and a folder that cannot be written: one sentence, and nothing half-written."""

import shutil
import subprocess

import pytest

from tests.processes import finished_files, leftovers, results, without_root_powers

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path):
    """Mount a disk of a given size, or give it another size."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        remount = f"remount,{options}" if place.is_mount() else options
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", remount, "tmpfs", place],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    if place.is_mount():
        subprocess.run(["umount", "--lazy", place], check=True)


# Room for less than the dataset's files, for none of the connectomes, for some of them, for some of the maps.
@pytest.mark.parametrize(("size_kb", "elsewhere"), [(8, False), (64, False), (12_000, False), (1_500, True)])
@pytest.mark.parametrize("n_procs", ["1", "2"])
def test_a_full_disk_is_reported_and_the_next_run_succeeds(
    start, alone, disk, tmp_path, size_kb, elsewhere, n_procs
):
    output = disk(f"size={size_kb}k") / "out"
    options = ["--nprocs", n_procs, *(["--work-dir", str(tmp_path / "work")] if elsewhere else [])]
    app = start(*options, output=output)
    assert app.wait() == 1, app.words
    assert "the disk is full" in app.words
    assert "Free some space and start again; finished results are kept" in app.words
    assert "internal error" not in app.words
    assert "Traceback" not in app.words
    assert not list(output.rglob("*.tmp"))
    assert finished_files(output).items() <= alone.items()
    disk("size=100m")
    app = start(*options, output=output)
    assert app.wait() == 0, app.words
    assert results(output) == alone
    assert leftovers(output) == []
    # The folder that the user named stays, empty.
    assert not list((tmp_path / "work").glob("*"))


@pytest.mark.parametrize("n_procs", ["1", "2"])
def test_a_file_size_limit_fails_one_participant_with_a_message(start, alone, n_procs):
    if not shutil.which("prlimit"):
        pytest.skip("there is no prlimit here")
    app = start("--nprocs", n_procs, prefix=("prlimit", "--fsize=100000", "--"))
    assert app.wait() == 1, app.words
    assert "exceed the size limit" in app.words
    assert "Traceback" not in app.words
    assert not list(app.output.rglob("*.tmp"))
    assert finished_files(app.output).items() <= alone.items()
    again = start("--nprocs", n_procs)
    assert again.wait() == 0, again.words
    assert results(app.output) == alone


@pytest.fixture
def sober():
    """Start a command without root's power over files."""
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    return prefix


def assert_refused_before_computing(app, folder):
    assert app.wait() == 2, app.words
    said = app.words.splitlines()[-1]
    assert said.startswith("bids-deeptaskgen: ")
    assert str(folder) in said
    assert "hoose" in said
    assert "connectome made" not in app.words
    assert "Traceback" not in app.words


@pytest.mark.parametrize("there", [True, False])
def test_an_output_folder_that_cannot_be_written_is_a_matter_of_usage(start, sober, tmp_path, there):
    locked = tmp_path / "locked"
    output = locked / "out"
    (output if there else locked).mkdir(parents=True)
    (output if there else locked).chmod(0o555)
    assert_refused_before_computing(start(output=output, prefix=sober), output)
    assert not list(output.rglob("*"))


def test_a_read_only_file_system_is_a_matter_of_usage(start, disk):
    output = disk("ro") / "out"
    app = start(output=output)
    assert_refused_before_computing(app, output)
    assert "read-only" in app.words


def test_a_work_folder_that_cannot_be_written_is_a_matter_of_usage(start, sober, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    app = start("--work-dir", str(locked / "work"), prefix=sober)
    assert_refused_before_computing(app, locked / "work")


def test_an_unwritable_participant_folder_does_not_affect_other_participants(start, sober, alone):
    app = start("--nprocs", "1", "--dry-run")
    assert app.wait() == 0
    locked = app.output / "sub-02" / "func"
    locked.mkdir(parents=True)
    locked.chmod(0o555)
    app = start("--nprocs", "1", prefix=sober)
    assert app.wait() == 1, app.words
    assert f"access is denied ({locked}" in " ".join(app.words.split())
    assert next(app.output.glob("logs/*_failed.txt")).read_text() == "sub-02\n"
    locked.chmod(0o755)
    app = start("--nprocs", "1")
    assert app.wait() == 0
    assert results(app.output) == alone
    assert leftovers(app.output) == []
