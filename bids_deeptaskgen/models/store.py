"""Locations of the embedded model and of a user's models."""

import os
from pathlib import Path

from bids_deeptaskgen.data import DATA_DIR
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.registry import published_models

EMBEDDED = "embedded"
HOME_VARIABLE = "DEEPTASKGEN_HOME"


def embedded_bundle() -> Path:
    """Return the folder of the embedded model, which serves to try the software."""
    return DATA_DIR / EMBEDDED


def models_home() -> Path:
    """Return the folder in which models are searched by name; it may not exist.

    ``models`` in ``$DEEPTASKGEN_HOME`` if that is set, else in ``deeptaskgen`` of ``$XDG_DATA_HOME`` (default
    ``~/.local/share``).

    Raises
    ------
    UserError
        If neither is set and the user has no home folder, as in some containers.
    """
    home, data = os.environ.get(HOME_VARIABLE), os.environ.get("XDG_DATA_HOME")
    try:
        if home:
            return Path(home).expanduser() / "models"
        # The XDG standard requires that relative paths are ignored.
        share = Path(data) if data and Path(data).is_absolute() else Path("~/.local/share").expanduser()
    except RuntimeError as error:
        problem = (
            f"{HOME_VARIABLE} is {home}, and there is no such user" if home else "You have no home folder"
        )
        message = f"{problem}, so models cannot be found. Set {HOME_VARIABLE} to a folder for models."
        raise UserError(message) from error
    return share / "deeptaskgen" / "models"


def downloads_home() -> Path:
    """Return the folder of downloaded files, next to `models_home`; it may not exist."""
    return models_home().parent / "downloads"


def models_at_home() -> list[str]:
    """List the names of the models in `models_home`, without incomplete models of running processes."""
    names = (path.parent.name for path in models_home().glob("*/card.json"))
    return sorted(name for name in names if not name.startswith("."))


def find_model(name_or_folder: str | Path) -> Path:
    """Find a model's bundle.

    Parameters
    ----------
    name_or_folder : str or Path
        ``embedded``, a folder with ``card.json``, or the name of a model in `models_home`.

    Returns
    -------
    Path
        Folder of the bundle, which is not loaded.

    Raises
    ------
    UserError
        If the model does not exist.
    """
    if str(name_or_folder) == EMBEDDED:
        return embedded_bundle()
    folder = Path(name_or_folder).expanduser()
    if (folder / "card.json").is_file():
        return folder
    home = models_home()
    folder_at_home = home / name_or_folder
    if (folder_at_home / "card.json").is_file():
        return folder_at_home
    name = str(name_or_folder)
    fetch = (
        f"It is a published model: download it by `deeptaskgen models fetch {name}`. Without internet, "
        f"run `deeptaskgen models fetch {name} --from FOLDER`, which lists the files that you need.\n"
        if name in published_models()
        else ""
    )
    message = (
        f"There is no model {name!r}: neither {folder.absolute()} nor {folder_at_home} contains a card.json. "
        f"Models found in {home}: {', '.join(models_at_home()) or 'none'}.\n"
        f"{fetch}To import a checkpoint, run `deeptaskgen models import CHECKPOINT {folder_at_home} "
        f"--rois FILE --name NAME`. To try the software, use --model {EMBEDDED} (not for science)."
    )
    raise UserError(message)
