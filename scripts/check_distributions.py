"""Check the wheel and the source distribution: ``python -m scripts.check_distributions FOLDER [--release]``.

Prints their sizes and the number and size of their files by folder. The wheel must have every module and data
file of the package and nothing else, and be small. The source distribution must have what builds, tests and
documents the package.
"""

import argparse
import sys
import tarfile
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import ZipFile

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGE = "bids_deeptaskgen"
LARGEST_WHEEL = 3_000_000  # bytes
LARGEST_SDIST = 12_000_000
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
# What a source distribution needs beside the package.
SOURCES = {
    "CHANGES.md", "CITATION.cff", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "Makefile", "PKG-INFO",
    "README.md", "Singularity.def", "constraints.txt", "pyproject.toml", "setup.cfg",
    "docs/reference/inputs.md", "tests/conftest.py", "tests/golden/metrics.npz", "benchmarks/speed/steps.py",
    "scripts/check_distributions.py", "scripts/install_image.sh", ".dockerignore",
}  # fmt: skip


class Distribution(NamedTuple):
    """A file that users install or build from.

    Attributes
    ----------
    path : Path
    version : Version
    sizes : dict of str to int
        Bytes of each file by its name, unpacked; names in a source distribution do not have its top folder.
    """

    path: Path
    version: Version
    sizes: dict[str, int]


def read_wheel(path: Path) -> Distribution:
    """List the files of a wheel."""
    with ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    return Distribution(path, parse_wheel_filename(path.name)[1], sizes)


def read_sdist(path: Path) -> Distribution:
    """List the files of a source distribution."""
    with tarfile.open(path) as archive:
        sizes = {
            str(PurePosixPath(*PurePosixPath(member.name).parts[1:])): member.size
            for member in archive
            if member.isfile()
        }
    return Distribution(path, parse_sdist_filename(path.name)[1], sizes)


def package_files(root: Path) -> set[str]:
    """List the modules and data files of the package in a checkout."""
    modules = (root / PACKAGE).rglob("*.py")
    data = (path for path in (root / PACKAGE / "data").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(root).as_posix() for path in {*modules, *data}}


def wheel_faults(wheel: Distribution, expected: Iterable[str]) -> list[str]:
    """List the faults of a wheel as sentences.

    Parameters
    ----------
    wheel : Distribution
    expected : iterable of str
        Files of the package, relative to the root of the checkout.

    Returns
    -------
    list of str
    """
    info = f"{PACKAGE}-{wheel.version}.dist-info"
    required = {*expected, *(f"{info}/{name}" for name in METADATA)}
    faults = [f"{wheel.path.name} does not contain {name}." for name in sorted(required - set(wheel.sizes))]
    faults += [
        f"{wheel.path.name} contains {name}, which is not part of the package."
        for name in sorted(set(wheel.sizes) - required)
    ]
    return faults + _size_faults(wheel, LARGEST_WHEEL)


def sdist_faults(sdist: Distribution, expected: Iterable[str]) -> list[str]:
    """List the faults of a source distribution as sentences.

    Parameters
    ----------
    sdist : Distribution
    expected : iterable of str
        Files of the package, relative to the root of the checkout.

    Returns
    -------
    list of str
    """
    required = {*expected, *SOURCES}
    faults = [f"{sdist.path.name} does not contain {name}." for name in sorted(required - set(sdist.sizes))]
    return faults + _size_faults(sdist, LARGEST_SDIST)


def _size_faults(distribution: Distribution, largest: int) -> list[str]:
    size = distribution.path.stat().st_size
    if size <= largest:
        return []
    return [
        f"{distribution.path.name} has {size:,} bytes; at most {largest:,} are accepted. Its largest files: "
        + ", ".join(sorted(distribution.sizes, key=distribution.sizes.__getitem__, reverse=True)[:5])
        + "."
    ]


def release_faults(distributions: Iterable[Distribution], release: Version) -> list[str]:
    """List versions that are not those of a tagged commit without changes, or not that of the descriptors."""
    faults = []
    for item in distributions:
        if item.version.is_devrelease or item.version.local:
            faults.append(
                f"{item.path.name} is a development version. Tag the commit, commit all changes, and build "
                "again."
            )
        elif item.version != release:
            faults.append(
                f"{item.path.name} has another version than pyproject.toml ({release}), which the "
                "descriptors name. Correct fallback_version there, run `make descriptors`, and tag again."
            )
    return faults


def release_version() -> Version:
    """Read the version of the next release, which the descriptors name, from pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return Version(tomllib.load(file)["tool"]["setuptools_scm"]["fallback_version"])


def describe(distribution: Distribution, n_levels: int) -> str:
    """Format size, and the number and size of the files by folder, some levels deep."""
    counts, sizes = Counter(), Counter()
    for name, size in distribution.sizes.items():
        folder = "/".join(PurePosixPath(name).parent.parts[:n_levels]) or "."
        counts[folder] += 1
        sizes[folder] += size
    n_bytes, n_files = distribution.path.stat().st_size, len(distribution.sizes)
    lines = [f"{distribution.path.name}: {n_bytes:,} bytes, {n_files} files; unpacked:"]
    lines += [f"{counts[name]:6d} files {sizes[name]:11,d} bytes  {name}" for name in sorted(counts)]
    return "\n".join(lines)


def only_file(folder: Path, pattern: str) -> Path:
    """Return the only file that a pattern matches; several versions could be mistaken for each other."""
    paths = sorted(folder.glob(pattern))
    if len(paths) != 1:
        names = ", ".join(path.name for path in paths) or "none"
        sys.exit(f"{folder}: expected one file {pattern}, but found {names}. Run `make wheel`.")
    return paths[0]


def main(arguments: list[str]) -> int:
    """Print contents and faults; return 1 if there are faults."""
    parser = argparse.ArgumentParser(prog="check_distributions", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of one wheel and one source distribution")
    parser.add_argument("--release", action="store_true", help="refuse development versions")
    options = parser.parse_args(arguments)
    wheel = read_wheel(only_file(options.folder, "*.whl"))
    sdist = read_sdist(only_file(options.folder, "*.tar.gz"))
    print(describe(wheel, n_levels=2), describe(sdist, n_levels=1), sep="\n\n")
    expected = package_files(ROOT)
    faults = wheel_faults(wheel, expected) + sdist_faults(sdist, expected)
    if options.release:
        faults += release_faults((wheel, sdist), release_version())
    print("", *faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
