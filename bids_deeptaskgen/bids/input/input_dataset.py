"""Where the input of a run lies: its datasets, and how a file of theirs is called in what is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bids_deeptaskgen.connectome.inputs import SessionInputs

# Name of the folder of the user's own regressors among the datasets.
CUSTOM_LINK = "custom"


@dataclass(frozen=True)
class InputDataset:
    """The datasets that a run reads.

    Attributes
    ----------
    kind : str
        How the first one is arranged: a key of ``sources.SOURCES``.
    root : Path
        Folder with people's folders.
    link : str
        Name of the first dataset in ``DatasetLinks``, and so in the ``bids:`` URIs of ``Sources``.
    others : tuple of (str, Path)
        Datasets that hold what the first one lacks, by name: ``fmriprep`` (masks, confounds), ``aroma``
        (noise components), ``custom`` (the user's own regressors).
    session : SessionInputs or None
        What is to be done, where it was given file by file.
    description : dict
        ``dataset_description.json`` of the first dataset.
    """

    kind: str
    root: Path
    link: str
    others: tuple[tuple[str, Path], ...] = ()
    session: SessionInputs | None = None
    description: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def links(self) -> dict[str, Path]:
        """All datasets by name."""
        return {self.link: self.root, **dict(self.others)}

    def other(self, name: str) -> Path | None:
        """Root of a further dataset, None where there is none of that name."""
        return dict(self.others).get(name)

    def with_custom(self, folder: Path | None) -> "InputDataset":
        """Give the same with the folder of the user's own regressors among the datasets."""
        if folder is None or self.session is not None:
            return self
        return replace(self, others=(*self.others, (CUSTOM_LINK, folder)))

    def uri(self, path: Path) -> str:
        """Name a file for ``Sources``: a ``bids:`` URI if a dataset holds it, else a ``file:`` one."""
        for name, root in self.links.items():
            if path.is_relative_to(root):
                return f"bids:{name}:{path.relative_to(root).as_posix()}"
        return path.absolute().as_uri()
