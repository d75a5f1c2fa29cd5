"""The card of a model: what it is, what it takes and gives, and who may use it (no torch here)."""

import json
import re
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TypeVar, get_args, get_origin, get_type_hints

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import MODEL_GRID, Grid
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.contrasts import Contrast

Record = TypeVar("Record")
INPUT_MASKS = ("brain", "gm")
# Keys that a card may leave out, and what that means: cards of earlier versions stay valid.
OPTIONAL: dict[str, object] = {"calibration": None, "untrained": False}


@dataclass(frozen=True)
class CardGrid:
    """Where a model's voxels are; the default is the grid of the published models.

    Attributes
    ----------
    space, resolution : str
        As in BIDS names.
    shape : tuple of int
        Number of voxels along each axis.
    affine : tuple of tuple of float
        4x4 matrix from voxel indices to mm, row by row.
    """

    space: str = "MNI152NLin6Asym"
    resolution: str = "2"
    shape: tuple[int, int, int] = MODEL_GRID.shape
    affine: tuple[tuple[float, ...], ...] = MODEL_GRID.affine

    def __str__(self) -> str:
        return f"{Grid(self.shape, self.affine)}, in {self.space} res-{self.resolution}"


@dataclass(frozen=True)
class Card:
    """What a bundle says of itself in ``card.json``.

    Attributes
    ----------
    name, description : str
        Short name; one or two sentences.
    architecture : Architecture
        Shape of the network.
    contrasts : tuple of Contrast
        What each output channel is, in channel order.
    roi_set : str
        Which ROI maps the input was made with.
    grid : CardGrid
        Grid of the maps, the masks, the input and the output.
    units : str
        Unit of the output, ``z`` for the published models.
    input_mask : {"brain", "gm"}
        Whether the network was trained on connectomes of the whole brain or of the output mask only.
    window_minutes : float or None
        Minutes of scan from which a training connectome was made; None where it is not known.
    training : str
        What it was trained on.
    licence, citation : str
        Of the weights.
    parent : str or None
        Name of the model that this one was fine-tuned from.
    for_science : bool
        False for models that are for trying the software.
    notice : str
        What every user should be told; may be empty.
    mean_roi_connectome : tuple of float or None
        Mean ROI-by-ROI correlations of the training people, upper triangle row by row; None where unknown.
    sha256 : dict of str to str
        Hash of each other file of the bundle.
    calibration : tuple of float or None
        For each contrast how far ``--calibrated`` goes from the mean map of measured people (0) to the
        network's (1), see `stats.calibration`; None where that has not been estimated.
    untrained : bool
        True if the weights are random: the ROI maps and masks are of use, the predicted maps are not.
    """

    name: str
    description: str
    architecture: Architecture
    contrasts: tuple[Contrast, ...]
    roi_set: str
    grid: CardGrid = CardGrid()
    units: str = "z"
    input_mask: str = "brain"
    window_minutes: float | None = None
    training: str = "not stated"
    licence: str = "not stated"
    citation: str = ""
    parent: str | None = None
    for_science: bool = True
    notice: str = ""
    mean_roi_connectome: tuple[float, ...] | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    calibration: tuple[float, ...] | None = None
    untrained: bool = False


def name_from_folder(folder: Path) -> str:
    """Return a model name made of a folder's name: letters, digits, ``-``, ``_`` and ``.`` only."""
    return re.sub(r"[^0-9A-Za-z_.-]+", "-", folder.name).lstrip("_.-") or "model"


def card_text(card: Card) -> str:
    """Write a card as JSON; the same card gives the same text."""
    content = asdict(card)
    for name, default in OPTIONAL.items():
        if content[name] == default:
            del content[name]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_card(path: Path) -> Card:
    """Read a card strictly: nothing may be missing, nothing unknown, nothing of another type.

    Parameters
    ----------
    path : Path
        ``card.json`` of a bundle.

    Returns
    -------
    Card

    Raises
    ------
    UserError
        If the file is not a card that this version knows in full.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        message = f"{path.parent}: no card.json here, so this is not a model bundle."
        raise UserError(message) from None
    except (OSError, ValueError) as error:
        message = f"{path}: cannot be read as JSON ({error}). Fetch or import the model again."
        raise UserError(message) from error
    return from_json(Card, content, str(path))


def from_json(record: type[Record], content: object, where: str) -> Record:
    """Make a dataclass of parsed JSON, strictly.

    Parameters
    ----------
    record : type
        A dataclass of texts, numbers, truth values, tuples, dictionaries and such dataclasses.
    content : object
        What `json.loads` gave.
    where : str
        Name of the place for the error.

    Returns
    -------
    instance of `record`

    Raises
    ------
    UserError
        If a key is missing or unknown, or a value has another type.
    """
    if not isinstance(content, dict):
        raise _mistyped(content, where, record)
    hints = get_type_hints(record)
    if record is Card:
        content = OPTIONAL | content
    unknown, missing = sorted(set(content) - set(hints)), sorted(set(hints) - set(content))
    if unknown or missing:
        message = (
            f"{where}: {_listed('unknown', unknown)}{_listed('missing', missing)}\n"
            "It was made by another version of this software, or by hand. Fetch or import the model again."
        )
        raise UserError(message)
    return record(**{key: _read(hints[key], content[key], f"{where}: {key}") for key in hints})


def _read(kind: type, value: object, where: str) -> object:
    """Read one value as a type, or raise with its place."""
    options, origin = get_args(kind), get_origin(kind)
    if is_dataclass(kind):
        return from_json(kind, value, where)
    if type(None) in options:
        return None if value is None else _read(options[0], value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [options[0]] * len(value) if options[-1] is Ellipsis else list(options)
        if len(kinds) == len(value):
            pairs = enumerate(zip(kinds, value, strict=True))
            return tuple(_read(one, item, f"{where}[{i}]") for i, (one, item) in pairs)
    elif origin is dict and isinstance(value, dict):
        return {key: _read(options[1], item, f"{where}.{key}") for key, item in value.items()}
    elif type(value) is kind:
        return value
    elif kind is float and type(value) is int:
        return float(value)
    raise _mistyped(value, where, kind)


def _mistyped(value: object, where: str, kind: type) -> UserError:
    name = kind.__name__ if get_origin(kind) is None else str(kind)
    return UserError(
        f"{where} is {json.dumps(value)[:80]}, where a value of type {name} is wanted.\n"
        "Fetch or import the model again."
    )


def _listed(adjective: str, keys: list[str]) -> str:
    return f"{adjective} {', '.join(map(repr, keys))}. " if keys else ""
