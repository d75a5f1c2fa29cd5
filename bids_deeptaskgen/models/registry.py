"""The models that their authors have published: which files they are made of, and what is known of them."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bids_deeptaskgen.data import DATA_DIR
from bids_deeptaskgen.errors import UserError

MIRROR_VARIABLE = "DEEPTASKGEN_MIRROR"
GITHUB = "https://raw.githubusercontent.com"
REGISTRY = DATA_DIR / "models.json"


@dataclass(frozen=True)
class PublishedFile:
    """One file of a public repository, pinned: whoever serves it, only these bytes are taken.

    Attributes
    ----------
    repository : str
        ``OWNER/NAME`` at GitHub.
    commit : str
        40 hexadecimal digits.
    path : str
        Where the file is in the repository.
    git_blob_sha1 : str
        Git's own hash of the file: sha1 of ``blob SIZE``, a NUL, and its bytes.
    """

    repository: str
    commit: str
    path: str
    git_blob_sha1: str

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return self.path.rpartition("/")[2]

    @property
    def address(self) -> str:
        """Where its authors have published the file: for people, wherever they are."""
        return f"{GITHUB}/{self._place}"

    @property
    def url(self) -> str:
        """Where the file is asked for: at GitHub, or at the mirror of ``$DEEPTASKGEN_MIRROR``."""
        return f"{mirror()}/{self._place}"

    @property
    def _place(self) -> str:
        return quote(f"{self.repository}/{self.commit}/{self.path}")


@dataclass(frozen=True)
class PublishedModel:
    """What is known of a published model before its files are here.

    Attributes
    ----------
    name, description, training, parent, licence, citation, notice, input_mask, window_minutes
        As in the card of a bundle.
    contrasts : mapping of int to (tuple of str or None)
        Published names of the output channels in their order, by the number of channels that the checkpoint
        turns out to have; None where they are the whole of ``contrasts/hcp-ya.json``, empty where nobody
        knows.
    checkpoint, rois, output_mask : PublishedFile
        The files that a bundle is made of.
    """

    name: str
    description: str
    training: str
    parent: str | None
    licence: str
    citation: str
    notice: str
    input_mask: str
    window_minutes: float | None
    contrasts: Mapping[int, tuple[str, ...] | None]
    checkpoint: PublishedFile
    rois: PublishedFile
    output_mask: PublishedFile

    @property
    def files(self) -> tuple[PublishedFile, PublishedFile, PublishedFile]:
        """All files that are needed, the smallest first: what is wrong with the way shows early."""
        return self.output_mask, self.rois, self.checkpoint


def mirror() -> str:
    """Give the address that stands before each file's: GitHub, or what ``$DEEPTASKGEN_MIRROR`` says.

    Raises
    ------
    UserError
        If the variable holds no http address.
    """
    given = os.environ.get(MIRROR_VARIABLE) or GITHUB
    if not re.match("https?://[^/]", given):
        message = (
            f"{MIRROR_VARIABLE} is {given!r}; it must be an address like {GITHUB}, below which the files are "
            "served as OWNER/REPOSITORY/COMMIT/PATH. Take files of a folder by --from FOLDER."
        )
        raise UserError(message)
    return given.rstrip("/")


def published_models() -> dict[str, PublishedModel]:
    """Read the registry of the package: name to model, the default one first."""
    content = json.loads(REGISTRY.read_text("utf-8"))
    files = {key: PublishedFile(**entry) for key, entry in content["files"].items()}
    return {name: _model(name, content["all"] | entry, files) for name, entry in content["models"].items()}


def _model(name: str, entry: dict[str, Any], files: Mapping[str, PublishedFile]) -> PublishedModel:
    """Make a model of its entry, which names its files by their keys."""
    contrasts = {
        int(n_channels): None if names is None else tuple(names)
        for n_channels, names in entry["contrasts"].items()
    }
    roles = {role: files[entry[role]] for role in ("checkpoint", "rois", "output_mask")}
    return PublishedModel(**entry | roles | {"name": name, "contrasts": contrasts})
