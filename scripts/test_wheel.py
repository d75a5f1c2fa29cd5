"""Try the wheel in empty environments: ``python -m scripts.test_wheel FOLDER [--versions NAME ...]``.

Each environment has other versions of the libraries: ``lowest`` (the lower bounds of setup.cfg),
``constraints`` (those of constraints.txt) or ``newest`` (what pip installs without constraints). In each,
torch has the version of constraints.txt, unless ``--torch any`` is given: another torch may be a download of
gigabytes with CUDA. Environments and results are temporary: 3 GB under $TMPDIR at a time.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.check_distributions import ROOT, only_file, read_wheel
from scripts.lowest_versions import lowest_versions

EXTRAS = ("train", "warp")
VERSIONS = ("lowest", "constraints", "newest")
N_PARTICIPANTS = 5
IMPORT_ALL = """
import importlib, pkgutil, bids_deeptaskgen, lightning, nitransforms.manip
for module in pkgutil.walk_packages(bids_deeptaskgen.__path__, "bids_deeptaskgen."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
# Commands in the order in which they need each other's results, and the files that each writes.
STEPS: tuple[tuple[tuple[str, ...], str, int], ...] = (
    (("python", "-c", IMPORT_ALL), "", 0),
    (
        ("deeptaskgen", "simulate", "data", "--n-participants", str(N_PARTICIPANTS), "--n-volumes", "150"),
        "data/sub-*/func/*_bold.nii.gz",
        N_PARTICIPANTS,
    ),
    (
        ("bids-deeptaskgen", "data", "maps", "participant", "--model", "embedded", "--contrasts", "WM")
        + ("--nprocs", "1", "--save-connectome"),
        "maps/sub-*.html",
        N_PARTICIPANTS,
    ),
    (
        ("bids-deeptaskgen", "data", "maps", "group", "--design", "age", "--covariates", "none")
        + ("--n-permutations", "20", "--atlas", "maps/*_desc-rois_dseg.nii.gz"),
        "maps/group.html",
        1,
    ),
    (("deeptaskgen", "store", "pack", "maps", "maps.zarr"), "maps.zarr/zarr.json", 1),
    (("deeptaskgen", "store", "check", "maps.zarr"), "", 0),
    (
        ("deeptaskgen", "evaluate", "evaluation", "--predicted", "maps")
        + ("--measured", "data/derivatives/measured", "--contrasts", "WM", "--n-permutations", "100"),
        "evaluation/evaluation.html",
        1,
    ),
    (
        ("deeptaskgen", "train", "model", "--connectomes", "maps", "--statmaps", "data/derivatives/measured")
        + ("--model", "embedded", "--contrasts", "WM", "--device", "cpu", "--epochs", "2")
        + ("--architecture", "unetminimal", "--fdim", "1"),
        "model/weights.safetensors",
        1,
    ),
)


class WheelError(Exception):
    """A command that failed, or whose results are incomplete; the message has its last lines."""


def torch_requirement() -> str:
    """Return the requirement of torch in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def requirements(versions: str, torch: str) -> list[str]:
    """List what is installed beside the wheel, one requirement per line.

    Parameters
    ----------
    versions : {"lowest", "constraints", "newest"}
    torch : {"pinned", "any"}

    Returns
    -------
    list of str
    """
    lowest = lowest_versions(ROOT / "setup.cfg", EXTRAS) if versions == "lowest" else {}
    lines = [f"{name}=={version}" for name, version in lowest.items() if name != "torch" or torch == "any"]
    return lines + ([torch_requirement()] if torch == "pinned" else [])


def run(words: Sequence[str | Path], folder: Path, path: str) -> str:
    """Run a command in a folder, with programs of `path` first, and return its output.

    Raises
    ------
    WheelError
        If its exit code is not 0.
    """
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    variables |= {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "NIPYPE_NO_ET": "1"}
    command = [match for word in map(str, words) for match in expand(word, folder)]
    result = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        last_lines = "\n".join(result.stdout.splitlines()[-30:])
        message = f"{' '.join(command)}\nended with exit code {result.returncode}:\n{last_lines}"
        raise WheelError(message)
    return result.stdout


def expand(word: str, folder: Path) -> list[str]:
    """Replace a word with an asterisk by the files that it matches, as a shell does."""
    if "*" not in word or "\n" in word:
        return [word]
    return sorted(str(path.relative_to(folder)) for path in folder.glob(word)) or [word]


def install(wheel: Path, versions: str, torch: str, folder: Path) -> Path:
    """Install the wheel and its libraries in a new environment, and return the folder of its programs."""
    environment = folder / "environment"
    run([sys.executable, "-m", "venv", environment], folder, "")
    programs = environment / "bin"
    lines = requirements(versions, torch)
    (folder / "requirements.txt").write_text(
        "\n".join([f"{wheel.resolve()}[{','.join(EXTRAS)}]", *lines]) + "\n"
    )
    pip = [programs / "python", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    if versions == "lowest":
        # If there is no wheel, pip would compile old sources for an hour, or fail with errors of a compiler.
        pip += ["--only-binary", ",".join(line.partition("==")[0] for line in lines)]
    if versions == "constraints":
        pip += ["--constraint", ROOT / "constraints.txt"]
    run([*pip, "--requirement", folder / "requirements.txt"], folder, str(programs))
    run([programs / "python", "-m", "pip", "check"], folder, str(programs))
    return programs


def try_versions(wheel: Path, versions: str, torch: str, folder: Path) -> None:
    """Install the wheel, run all commands, and check that their results exist.

    Raises
    ------
    WheelError
        If a command fails or does not write its files.
    """
    start = time.monotonic()
    programs = install(wheel, versions, torch, folder)

    def passed(words: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s  {versions}: {words}", flush=True)

    freeze = run([programs / "python", "-m", "pip", "list", "--format=freeze"], folder, str(programs))
    passed("installed: " + " ".join(sorted(freeze.split(), key=str.lower)))
    version = str(read_wheel(wheel).version)
    for program in ("bids-deeptaskgen", "deeptaskgen"):
        if version not in (output := run([program, "--version"], folder, str(programs))):
            message = (
                f"{program} --version printed {output.strip()!r}, but the wheel has the version {version}."
            )
            raise WheelError(message)
        passed(f"{program} --version")
    for words, pattern, n_files in STEPS:
        output = run(words, folder, str(programs))
        if pattern and len(matches := sorted(folder.glob(pattern))) != n_files:
            names = ", ".join(path.name for path in matches) or "none"
            message = f"{' '.join(words)}: expected {n_files} files {pattern}, but found {names}:\n{output}"
            raise WheelError(message)
        passed(" ".join(words) if "\n" not in words[-1] else "all modules imported")


def main(arguments: list[str]) -> int:
    """Try the wheel with each set of versions; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="test_wheel", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of one wheel")
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=VERSIONS)
    parser.add_argument("--torch", choices=("pinned", "any"), default="pinned")
    options = parser.parse_args(arguments)
    wheel = only_file(options.folder, "*.whl")
    failed = []
    for versions in options.versions:
        with TemporaryDirectory(prefix="wheel-") as folder:
            try:
                try_versions(wheel, versions, options.torch, Path(folder))
            except WheelError as error:
                print(f"{wheel.name} with {versions} versions: {error}", file=sys.stderr)
                failed.append(versions)
    print(f"{wheel.name}: failed with {', '.join(failed)}." if failed else f"{wheel.name}: all passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
