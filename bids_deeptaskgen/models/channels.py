"""Contrasts of a network's output channels: a set of the package, a file, or numbers."""

import json
import re
from pathlib import Path

from bids_deeptaskgen.errors import UserError, raise_disk_error
from bids_deeptaskgen.models.contrasts import Contrast, contrast_label, load_contrasts

NUMBERED = "numbered"


def name_channels(choice: str, n_channels: int) -> tuple[Contrast, ...]:
    """Name the output channels of a network.

    Parameters
    ----------
    choice : str
        Name of a contrast set of the package, ``numbered``, or path of a JSON file with the published names
        in channel order.
    n_channels : int
        Number of output channels.

    Returns
    -------
    tuple of Contrast

    Raises
    ------
    UserError
        If the set does not exist or has another number of contrasts.
    """
    if choice == NUMBERED:
        return number_channels(n_channels)
    contrasts = read_contrast_set(choice)
    if len(contrasts) != n_channels:
        message = (
            f"The network has {n_channels} output channels, but {choice} names {len(contrasts)} contrasts.\n"
            f"Choose another `contrasts`, or `contrasts` {NUMBERED} if the contrasts are unknown."
        )
        raise UserError(message)
    return contrasts


def number_channels(n_channels: int) -> tuple[Contrast, ...]:
    """Name output channels by their numbers if their contrasts are unknown.

    Parameters
    ----------
    n_channels : int
        Number of output channels.

    Returns
    -------
    tuple of Contrast
        One for each channel; numbers begin with 1.

    Examples
    --------
    >>> [contrast.label for contrast in number_channels(2)]
    ['channel001', 'channel002']
    """
    numbers = range(1, n_channels + 1)
    return tuple(Contrast(f"channel{i:03}", f"channel {i}", "not stated") for i in numbers)


def read_contrast_set(choice: str) -> tuple[Contrast, ...]:
    """Read a contrast set, in channel order.

    Parameters
    ----------
    choice : str
        Name of a contrast set of the package, or path of a JSON file with published names.

    Returns
    -------
    tuple of Contrast

    Raises
    ------
    UserError
        If the set does not exist or the file contains no list of names.
    """
    if choice.endswith(".json"):
        return _read_names(Path(choice))
    try:
        return load_contrasts(choice)
    except FileNotFoundError:
        message = (
            f"Unknown contrast set {choice!r}. Use `contrasts` hcp-ya or a .json file with the published "
            f"names in channel order; `models import` also accepts {NUMBERED}."
        )
        raise UserError(message) from None


def _read_names(path: Path) -> tuple[Contrast, ...]:
    try:
        names = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise_disk_error(error, path)
        message = f"{path}: cannot be read as JSON ({error}). Correct the file."
        raise UserError(message) from error
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) and re.search(r"[^\W_]", name) for name in names)
    ):
        message = f'{path}: expected a list of contrast names, e.g. ["MOTOR LF-AVG", "WM 2BK-0BK"].'
        raise UserError(message)
    return tuple(Contrast(contrast_label(name), name, name.split()[0]) for name in names)
