"""Registry of published models: their files and descriptions."""

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
    """File of a public repository, pinned to a commit and to the hash of its content.

    Attributes
    ----------
    repository : str
        ``OWNER/NAME`` at GitHub.
    commit : str
        40 hexadecimal digits.
    path : str
        Path of the file in the repository.
    git_blob_sha1 : str
        Git's own hash of the file: sha1 of ``blob SIZE``, a NUL, and its bytes.
    """

    repository: str
    commit: str
    path: str
    git_blob_sha1: str

    @property
    def name(self) -> str:
        """Return the file's name without folders."""
        return self.path.rpartition("/")[2]

    @property
    def address(self) -> str:
        """Return the URL of the file at GitHub, for users."""
        return f"{GITHUB}/{self._url_path}"

    @property
    def url(self) -> str:
        """Return the download URL of the file: at GitHub or at the mirror of ``$DEEPTASKGEN_MIRROR``."""
        return f"{mirror()}/{self._url_path}"

    @property
    def _url_path(self) -> str:
        return quote(f"{self.repository}/{self.commit}/{self.path}")


@dataclass(frozen=True)
class PublishedModel:
    """Description of a published model, independent of its files.

    Attributes
    ----------
    name, description, training, parent, licence, citation, notice, input_mask, window_minutes
        See `Card`.
    contrasts : mapping of int to (tuple of str or None)
        Number of channels of the checkpoint to published names of the channels in their order; None stands
        for all of ``contrasts/hcp-ya.json``, an empty tuple for unknown contrasts.
    checkpoint, rois, output_mask : PublishedFile
        Files from which the bundle is built.
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
        """Return all files, the smallest first, so that connection problems show early."""
        return self.output_mask, self.rois, self.checkpoint


def mirror() -> str:
    """Return the base URL of all files: ``$DEEPTASKGEN_MIRROR`` if set, else GitHub.

    Raises
    ------
    UserError
        If the variable is not an http URL.
    """
    base_url = os.environ.get(MIRROR_VARIABLE) or GITHUB
    if not re.match("https?://[^/]", base_url):
        message = (
            f"{MIRROR_VARIABLE} is {base_url!r}, but must be a URL like {GITHUB} that serves files as "
            "OWNER/REPOSITORY/COMMIT/PATH. Use --from FOLDER for files in a folder."
        )
        raise UserError(message)
    return base_url.rstrip("/")


def published_models() -> dict[str, PublishedModel]:
    """Read the registry of the package: name to model, the default model first."""
    content = json.loads(REGISTRY.read_text("utf-8"))
    files = {key: PublishedFile(**entry) for key, entry in content["files"].items()}
    return {
        name: _build_model(name, content["all"] | entry, files) for name, entry in content["models"].items()
    }


def _build_model(name: str, entry: dict[str, Any], files: Mapping[str, PublishedFile]) -> PublishedModel:
    """Build a model from its entry, which refers to files by their keys."""
    contrasts = {
        int(n_channels): None if names is None else tuple(names)
        for n_channels, names in entry["contrasts"].items()
    }
    roles = {role: files[entry[role]] for role in ("checkpoint", "rois", "output_mask")}
    return PublishedModel(**entry | roles | {"name": name, "contrasts": contrasts})
