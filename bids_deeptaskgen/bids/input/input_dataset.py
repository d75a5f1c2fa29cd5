"""Input datasets of a run, and the URIs of their files in the output."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bids_deeptaskgen.connectome.inputs import SessionInputs

# Name of the folder of custom regressors among the datasets.
CUSTOM_LINK = "custom"


@dataclass(frozen=True)
class InputDataset:
    """Datasets that a run reads.

    Attributes
    ----------
    kind : str
        Structure of the main dataset: a key of ``sources.SOURCES``.
    root : Path
        Folder with the participants' folders.
    link : str
        Name of the main dataset in ``DatasetLinks``, and so in the ``bids:`` URIs of ``Sources``.
    extra_roots : tuple of (str, Path)
        Datasets with files that the main dataset lacks, by name: ``fmriprep`` (masks, confounds), ``aroma``
        (noise components), ``custom`` (custom regressors).
    session : SessionInputs or None
        The only session, if the user named each file.
    description : dict
        ``dataset_description.json`` of the main dataset.
    """

    kind: str
    root: Path
    link: str
    extra_roots: tuple[tuple[str, Path], ...] = ()
    session: SessionInputs | None = None
    description: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def links(self) -> dict[str, Path]:
        """Return the roots of all datasets by name."""
        return {self.link: self.root, **dict(self.extra_roots)}

    def extra_root(self, name: str) -> Path | None:
        """Return the root of an extra dataset, None if there is none of that name.

        Parameters
        ----------
        name : str
            Name in `extra_roots`, e.g. ``fmriprep``.

        Returns
        -------
        Path or None
        """
        return dict(self.extra_roots).get(name)

    def with_custom(self, folder: Path | None) -> "InputDataset":
        """Return a copy that has the folder of custom regressors among its datasets.

        Parameters
        ----------
        folder : Path or None
            Folder of custom regressors; None if there are none.

        Returns
        -------
        InputDataset
            The dataset itself if `folder` is None or the user named each file.
        """
        if folder is None or self.session is not None:
            return self
        return replace(self, extra_roots=(*self.extra_roots, (CUSTOM_LINK, folder)))

    def uri(self, path: Path) -> str:
        """Return the URI of a file for ``Sources``: ``bids:`` if a dataset holds the file, else ``file:``.

        Parameters
        ----------
        path : Path
            File of the input.

        Returns
        -------
        str
        """
        for name, root in self.links.items():
            if path.is_relative_to(root):
                # BIDS URIs follow RFC 3986; the + of BIDS labels is legal.
                return f"bids:{name}:{quote(path.relative_to(root).as_posix(), safe='/+')}"
        return path.absolute().as_uri()
