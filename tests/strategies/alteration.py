"""Vocabulary of alterations: ways in which a dataset may differ from the one that fMRIPrep wrote."""

import gzip
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

LABEL = "01"
SPACE = "space-MNI152NLin6Asym"
BOLD, MASK, TABLE = "_desc-preproc_bold.nii", "_desc-brain_mask.nii", "_desc-confounds_timeseries.tsv"
DESCRIPTION = "dataset_description.json"
# In the order in which alterations are applied: a file is renamed or linked after its content has changed.
KINDS = (
    "image data",
    "tables",
    "headers",
    "JSON",
    "dataset",
    "encodings",
    "names",
    "duplicates",
    "sessions",
    "missing pieces",
    "links",
)
# Of an output dataset, which the group level reads.
OUTPUT_KINDS = ("output maps", "output files", "output tables")


class NotApplicableError(Exception):
    """The file that an alteration changes is missing, since another alteration removed or renamed it."""


@dataclass
class Dataset:
    """Dataset to alter: participant ``LABEL`` is altered, all others stay as they are.

    Attributes
    ----------
    root : Path
        Folder of the dataset; alterations may rename it.
    pristine : Path
        The unaltered dataset, with further participants.
    random : Random
        Source of all random choices of an alteration.
    func : Path
        Folder of the altered participant's functional files.
    """

    root: Path
    pristine: Path
    random: Random
    func: Path = field(init=False)

    def __post_init__(self):
        self.func = self.root / f"sub-{LABEL}" / "func"

    def file(self, ending):
        """Find the only file of the participant whose name contains an ending, e.g. ``BOLD``."""
        paths = [path for path in sorted(self.func.glob(f"*{ending}*")) if not path.name.startswith(".")]
        if len(paths) != 1 or not paths[0].is_file():
            raise NotApplicableError(ending)
        return paths[0]

    def sidecar(self, ending):
        """Find the JSON file beside an image or a table."""
        return self.file(ending.partition(".")[0] + ".json")

    def image(self):
        """Choose the BOLD series or the mask."""
        return self.file(self.random.choice((BOLD, MASK)))

    def files(self):
        """List all files of the participant."""
        if not self.func.is_dir():
            raise NotApplicableError(self.func.name)
        return [path for path in sorted(self.func.iterdir()) if path.is_file()]

    def donor(self, ending, label="02"):
        """Find a file of another participant in the pristine dataset."""
        (path,) = (self.pristine / f"sub-{label}" / "func").glob(f"*{ending}*")
        return path

    def rename(self, change, endings=("",)):
        """Rename the participant's files whose name contains any of the endings."""
        for path in self.files():
            if any(ending in path.name for ending in endings):
                path.rename(path.with_name(change(path.name)))


@dataclass(frozen=True)
class Alteration:
    """Change of a dataset, and what it means for the maps.

    Attributes
    ----------
    name : str
    kind : str
        Any of ``KINDS`` or ``OUTPUT_KINDS``.
    preserves : bool
        Whether the meaning of the data is preserved; otherwise the data are damaged.
    apply : callable
        Changes a `Dataset`.
    words : tuple of str
        For damage: a refusal or a warning must contain any of these, in lower case.
    is_readable : bool
        For a preserved meaning: whether a refusal is a fault, too.
    is_always_told : bool
        Whether the alteration must be named even if the maps are the same.
    needs_volumes : bool
        Whether only the volumes show the damage, so that the readers of headers and tables cannot name it.
    tolerance : float
        Largest difference of the maps that is due to rounding.
    """

    name: str
    kind: str
    preserves: bool
    apply: Callable[[Dataset], None] = field(repr=False)
    words: tuple[str, ...] = ()
    is_readable: bool = False
    is_always_told: bool = False
    needs_volumes: bool = False
    tolerance: float = 0.0


VOCABULARY: dict[str, Alteration] = {}


def _register(alteration):
    if alteration.name in VOCABULARY:
        raise ValueError(alteration.name)
    VOCABULARY[alteration.name] = alteration


def preserves(kind, *, readable=False, tolerance=0.0, words=()):
    """Register a function as an alteration that preserves the meaning; its name becomes the alteration's."""

    def register(function):
        name = function.__name__.replace("_", " ")
        _register(
            Alteration(
                name,
                kind,
                preserves=True,
                apply=function,
                words=tuple(words),
                is_readable=readable,
                is_always_told=bool(words),
                tolerance=tolerance,
            )  # fmt: skip
        )
        return function

    return register


def damages(kind, *words, always=False, volumes=False, tolerance=0.0):
    """Register a function as an alteration that damages the data, with the words that must name it."""

    def register(function):
        name = function.__name__.replace("_", " ")
        _register(
            Alteration(
                name,
                kind,
                preserves=False,
                apply=function,
                words=words,
                is_always_told=always,
                needs_volumes=volumes or kind == "image data",
                tolerance=tolerance,
            )  # fmt: skip
        )
        return function

    return register


def read_bytes(path):
    """Read the bytes of an image without compression."""
    content = path.read_bytes()
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise NotApplicableError(path.name) from error


def write_bytes(path, content):
    """Write the bytes of an image, compressed if its name says so."""
    path.write_bytes(gzip.compress(content, 0, mtime=0) if path.suffix == ".gz" else content)


def copy_base(pristine, root, labels):
    """Copy some participants of a dataset to a new folder, or the whole dataset if `labels` is empty."""
    if not labels:
        return shutil.copytree(pristine, root)
    root.mkdir(parents=True)
    for path in pristine.iterdir():
        if path.is_file():
            shutil.copyfile(path, root / path.name)
    for label in labels:
        shutil.copytree(pristine / f"sub-{label}", root / f"sub-{label}")
    return root
