"""The wheel and the source distribution: what they contain, their size, and the check of `make wheel`."""

import io
import shutil
import subprocess
import sys
import tarfile
from email.parser import Parser
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts.check_distributions import (
    LARGEST_WHEEL,
    METADATA,
    SOURCES,
    package_files,
    read_sdist,
    read_wheel,
    release_faults,
    release_version,
    sdist_faults,
    wheel_faults,
)
from tests.processes import ROOT

FILES = ("bids_deeptaskgen/__init__.py", "bids_deeptaskgen/data/models.json")
INFO = "bids_deeptaskgen-1.0.dist-info"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the wheel of a copy, since the build leaves folders beside setup.cfg; a copy has no .git."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("bids_deeptaskgen", "benchmarks", "scripts"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist"]
    done = subprocess.run([*build, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (folder / "dist").glob("*.whl")
    return path


def write_wheel(folder, names, version="1.0", content=b""):
    path = folder / f"bids_deeptaskgen-{version}-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return read_wheel(path)


def write_sdist(folder, names):
    path = folder / "bids_deeptaskgen-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"bids_deeptaskgen-1.0/{name}"), io.BytesIO())
    return read_sdist(path)


def test_the_wheel_has_every_module_and_data_file_and_nothing_else(built):
    expected = package_files(ROOT)
    assert {"bids_deeptaskgen/__main__.py", *FILES} <= expected
    assert wheel_faults(read_wheel(built), expected) == []


def test_the_wheel_is_smaller_than_3_mb(built):
    assert built.stat().st_size < 3_000_000


def test_the_metadata_have_the_licence_and_both_commands(built):
    with ZipFile(built) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        commands = archive.read(f"{info}/entry_points.txt").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
    # The licence as an expression of SPDX, which indexes can read.
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["License"] is None
    assert "Apache License" in licence
    assert metadata["Requires-Python"] == ">=3.11"
    assert "bids-deeptaskgen = " in commands
    assert "\ndeeptaskgen = " in commands
    runtime = [Requirement(line) for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert all(len(requirement.specifier) for requirement in runtime)


def test_a_complete_wheel_has_no_fault(tmp_path):
    wheel = write_wheel(tmp_path, [*FILES, *(f"{INFO}/{name}" for name in METADATA)])
    assert wheel.version == Version("1.0")
    assert wheel_faults(wheel, FILES) == []


@pytest.mark.parametrize("lacking", [*FILES, f"{INFO}/licenses/LICENSE", f"{INFO}/entry_points.txt"])
def test_a_file_that_is_not_in_the_wheel_is_named(tmp_path, lacking):
    names = {*FILES, *(f"{INFO}/{name}" for name in METADATA)} - {lacking}
    (fault,) = wheel_faults(write_wheel(tmp_path, names), FILES)
    assert fault.endswith(f"does not contain {lacking}.")


@pytest.mark.parametrize(
    "extra", ["tests/__init__.py", "docs/reference/inputs.md", "bids_deeptaskgen/data/weights.npz"]
)
def test_a_file_that_does_not_belong_into_the_wheel_is_named(tmp_path, extra):
    names = [*FILES, *(f"{INFO}/{name}" for name in METADATA), extra]
    (fault,) = wheel_faults(write_wheel(tmp_path, names), FILES)
    assert f"contains {extra}, which is not part of the package" in fault


def test_a_large_wheel_is_refused_with_its_largest_files(tmp_path):
    names = [*FILES, *(f"{INFO}/{name}" for name in METADATA)]
    wheel = write_wheel(tmp_path, names, content=bytes(LARGEST_WHEEL // len(names)))
    (fault,) = wheel_faults(wheel, FILES)
    assert "at most 3,000,000 are accepted. Its largest files: " in fault
    assert FILES[0] in fault


def test_a_source_distribution_needs_tests_documents_and_build_files(tmp_path):
    assert sdist_faults(write_sdist(tmp_path, [*FILES, *SOURCES]), FILES) == []
    for lacking in ("Makefile", "docs/reference/inputs.md", "tests/conftest.py", FILES[1]):
        (fault,) = sdist_faults(write_sdist(tmp_path, {*FILES, *SOURCES} - {lacking}), FILES)
        assert fault.endswith(f"does not contain {lacking}.")


def test_all_files_that_a_source_distribution_needs_exist():
    assert {name for name in SOURCES - {"PKG-INFO"} if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize(
    ("version", "is_release"), [("1.0", True), ("1.1.dev3", False), ("1.0+local", False), ("1.0rc1", True)]
)
def test_development_versions_are_not_released(tmp_path, version, is_release):
    faults = release_faults([write_wheel(tmp_path, FILES, version)], Version(version))
    assert (faults == []) is is_release
    assert all("Tag the commit" in fault for fault in faults)


def test_a_version_that_the_descriptors_do_not_name_is_not_released(tmp_path):
    (fault,) = release_faults([write_wheel(tmp_path, FILES, "1.0")], Version("1.1"))
    assert "another version than pyproject.toml (1.1)" in fault
    assert str(release_version()) in (ROOT / "descriptors" / "boutiques.json").read_text("utf-8")


@pytest.mark.parametrize("n_wheels", [0, 2])
def test_a_folder_without_a_single_wheel_is_refused(tmp_path, n_wheels):
    for number in range(n_wheels):
        write_wheel(tmp_path, FILES, f"1.{number}")
    command = [sys.executable, "-m", "scripts.check_distributions", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected one file *.whl" in done.stderr
    assert "make wheel" in done.stderr
