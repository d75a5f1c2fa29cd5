"""Where the package's own files and a user's models are."""

import os
from pathlib import Path

from bids_deeptaskgen.data import DATA_DIR
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.registry import published_models

EMBEDDED = "embedded"
HOME_VARIABLE = "DEEPTASKGEN_HOME"


def embedded_bundle() -> Path:
    """Give the folder of the model that comes with the package, for trying the software."""
    return DATA_DIR / EMBEDDED


def models_home() -> Path:
    """Give the folder in which models are looked for by name; it need not exist.

    ``models`` in ``$DEEPTASKGEN_HOME`` if that is set, else in ``deeptaskgen`` of ``$XDG_DATA_HOME`` (default
    ``~/.local/share``).

    Raises
    ------
    UserError
        If neither is set and the user has no home folder, as in containers.
    """
    given, data = os.environ.get(HOME_VARIABLE), os.environ.get("XDG_DATA_HOME")
    try:
        if given:
            return Path(given).expanduser() / "models"
        # The XDG standard says that a path that is not absolute is to be ignored.
        share = Path(data) if data and Path(data).is_absolute() else Path("~/.local/share").expanduser()
    except RuntimeError as error:
        found = (
            f"{HOME_VARIABLE} is {given}, and there is no such user" if given else "You have no home folder"
        )
        message = f"{found}, so models cannot be looked for. Set {HOME_VARIABLE} to a folder for them."
        raise UserError(message) from error
    return share / "deeptaskgen" / "models"


def downloads_home() -> Path:
    """Give the folder, beside `models_home`, in which files that were fetched are kept; it need not exist."""
    return models_home().parent / "downloads"


def models_at_home() -> list[str]:
    """List the names of the models in `models_home`, the half-made ones of running processes left out."""
    names = (path.parent.name for path in models_home().glob("*/card.json"))
    return sorted(name for name in names if not name.startswith("."))


def find_model(name_or_folder: str | Path) -> Path:
    """Find a model's bundle.

    Parameters
    ----------
    name_or_folder : str or Path
        ``embedded``, a folder that holds ``card.json``, or the name of a model in `models_home`.

    Returns
    -------
    Path
        The bundle's folder; it is not opened here.

    Raises
    ------
    UserError
        If there is no such model: what was asked, where it was looked for, what to do.
    """
    if str(name_or_folder) == EMBEDDED:
        return embedded_bundle()
    folder = Path(name_or_folder).expanduser()
    if (folder / "card.json").is_file():
        return folder
    home = models_home()
    named = home / name_or_folder
    if (named / "card.json").is_file():
        return named
    name = str(name_or_folder)
    fetch = (
        f"It is a published one: `deeptaskgen models fetch {name}` fetches it. Without internet, bring "
        f"its files and run `deeptaskgen models fetch {name} --from FOLDER`, which says what is missing.\n"
        if name in published_models()
        else ""
    )
    message = (
        f"There is no model {name!r}: {folder.absolute()} is not a model's folder (with card.json), and "
        f"{named} neither. Models found in {home}: {', '.join(models_at_home()) or 'none'}.\n"
        f"{fetch}Make one of a checkpoint by `deeptaskgen models import CHECKPOINT {named} --rois FILE "
        f"--name NAME`, or give --model {EMBEDDED} to try the software with the model "
        "that comes with it (not for science)."
    )
    raise UserError(message)
