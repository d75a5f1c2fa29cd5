"""Model cards: description, input, output and licence of a model. Does not import torch."""

import json
import re
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TypeVar, get_args, get_origin, get_type_hints

from bids_deeptaskgen.errors import UserError, raise_disk_error
from bids_deeptaskgen.grid import MODEL_GRID, Grid
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.contrasts import Contrast

Record = TypeVar("Record")
INPUT_MASKS = ("brain", "gm")
# Optional keys and their defaults, so that cards of earlier versions remain valid.
OPTIONAL: dict[str, object] = {"calibration": None, "untrained": False}


@dataclass(frozen=True)
class CardGrid:
    """Grid of a model's voxels; the default is that of the published models.

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
    """Description of a model in ``card.json``.

    Attributes
    ----------
    name, description : str
        Short name; one or two sentences.
    architecture : Architecture
        Architecture of the model: a network or a ridge regression.
    contrasts : tuple of Contrast
        Contrast of each output channel, in channel order.
    roi_set : str
        Name of the ROI maps.
    grid : CardGrid
        Grid of the maps, the masks, the input and the output.
    units : str
        Unit of the output, ``z`` for the published models.
    input_mask : {"brain", "gm"}
        Voxels of the training connectomes: the brain mask, or its intersection with the output mask.
    window_minutes : float or None
        Scan duration per training connectome in minutes; None if unknown.
    training : str
        Description of the training data.
    licence, citation : str
        Licence and citation of the weights.
    parent : str or None
        Name of the model that this one was fine-tuned from.
    for_science : bool
        False for models that only serve to try the software.
    notice : str
        Notice for all users; may be empty.
    mean_roi_connectome : tuple of float or None
        Mean ROI-by-ROI correlations of the training participants, upper triangle row by row; None if unknown.
    sha256 : dict of str to str
        Hash of each other file of the bundle.
    calibration : tuple of float or None
        For each contrast, the weight of the predicted map in calibrated maps, from 0 (mean measured map) to
        1 (predicted map); see `stats.calibration`. None if not estimated.
    untrained : bool
        True if the weights are random, so that only ROI maps and masks are useful.
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

    @property
    def network_input_mask(self) -> str:
        """Return the voxels that a new network with these ROI maps and masks receives.

        A ridge model predicts each voxel from that voxel's connectome, which says nothing about networks.
        """
        return self.input_mask if self.architecture.is_network else "brain"


def name_from_folder(folder: Path) -> str:
    """Return a model name from a folder's name, with letters, digits, ``-``, ``_`` and ``.`` only.

    Parameters
    ----------
    folder : Path
        Only its last part is used; the folder need not exist.

    Returns
    -------
    str
        ``model`` if no character remains.

    Examples
    --------
    >>> name_from_folder(Path("models/my model (v2)"))
    'my-model-v2-'
    """
    return re.sub(r"[^0-9A-Za-z_.-]+", "-", folder.name).lstrip("_.-") or "model"


def card_text(card: Card) -> str:
    """Format a card as JSON; equal cards give equal text.

    Parameters
    ----------
    card : Card

    Returns
    -------
    str
        Optional fields that have their default are left out; ends with a line break.
    """
    content = asdict(card)
    for name, default in OPTIONAL.items():
        if content[name] == default:
            del content[name]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_card(path: Path) -> Card:
    """Read a card strictly: missing keys, unknown keys and values of another type are errors.

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
        If the file is not a valid card of this version.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        message = (
            f"{path.parent}: contains no card.json, so it is not a model bundle. Pass the folder of a model."
        )
        raise UserError(message) from None
    except (OSError, ValueError) as error:
        raise_disk_error(error, path)
        message = f"{path}: cannot be read as JSON ({error}). Fetch or import the model again."
        raise UserError(message) from error
    return from_json(Card, content, str(path))


def from_json(record: type[Record], content: object, location: str) -> Record:
    """Convert parsed JSON to a dataclass, strictly.

    Parameters
    ----------
    record : type
        Dataclass of strings, numbers, booleans, tuples, dictionaries and such dataclasses.
    content : object
        Result of `json.loads`.
    location : str
        File or key, for error messages.

    Returns
    -------
    instance of `record`

    Raises
    ------
    UserError
        If a key is missing or unknown, or a value has another type.
    """
    if not isinstance(content, dict):
        raise _type_error(content, location, record)
    hints = get_type_hints(record)
    if record is Card:
        content = OPTIONAL | content
    unknown_keys, missing_keys = sorted(set(content) - set(hints)), sorted(set(hints) - set(content))
    if unknown_keys or missing_keys:
        message = (
            f"{location}: {_format_keys('unknown', unknown_keys)}{_format_keys('missing', missing_keys)}\n"
            "It was written by another version or by hand. Fetch or import the model again."
        )
        raise UserError(message)
    return record(**{key: _convert(hints[key], content[key], f"{location}: {key}") for key in hints})


def _convert(kind: type, value: object, location: str) -> object:
    """Convert a value to a type, or raise an error with its location."""
    options, origin = get_args(kind), get_origin(kind)
    if is_dataclass(kind):
        return from_json(kind, value, location)
    if type(None) in options:
        return None if value is None else _convert(options[0], value, location)
    if origin is tuple and isinstance(value, list):
        kinds = [options[0]] * len(value) if options[-1] is Ellipsis else list(options)
        if len(kinds) == len(value):
            pairs = enumerate(zip(kinds, value, strict=True))
            return tuple(_convert(item_kind, item, f"{location}[{i}]") for i, (item_kind, item) in pairs)
    elif origin is dict and isinstance(value, dict):
        return {key: _convert(options[1], item, f"{location}.{key}") for key, item in value.items()}
    elif type(value) is kind:
        return value
    elif kind is float and type(value) is int:
        return float(value)
    raise _type_error(value, location, kind)


def _type_error(value: object, location: str, kind: type) -> UserError:
    name = kind.__name__ if get_origin(kind) is None else str(kind)
    return UserError(
        f"{location} is {json.dumps(value)[:80]}; expected a value of type {name}.\n"
        "Fetch or import the model again."
    )


def _format_keys(adjective: str, keys: list[str]) -> str:
    return f"{adjective} {', '.join(map(repr, keys))}. " if keys else ""
