"""Sets of maps that may be averaged: one task, acquisition, model and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.results import Result

GROUP_FOLDER = "group"


@dataclass(frozen=True)
class GroupSet:
    """Maps with equal entities, model and settings.

    Attributes
    ----------
    name : str
        For example ``task-rest``, or ``task-rest settings-1a2b3c4d`` if maps of several settings exist.
    series : tuple of (str, str)
        Entities that the participants share.
    settings_hash : str
    folder : str
        Folder of its files in the output dataset: ``group``, or ``group/settings-1a2b3c4d``.
    results : sequence of Result
        Sessions and runs, sorted by file name.
    provenance : dict
        Model and settings, from a sidecar of its maps.
    """

    name: str
    series: Entities
    settings_hash: str
    folder: str
    results: Sequence[Result]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def participants(self) -> list[str]:
        """Return the labels of the participants without ``sub-``, in order."""
        return list(dict.fromkeys(result.subject for result in self.results))

    @property
    def contrasts(self) -> list[str]:
        """Return the labels of all contrasts of its maps, in order."""
        return list(dict.fromkeys(label for result in self.results for label in result.maps.contrasts))

    @property
    def task(self) -> str:
        """Return the task of the input."""
        return dict(self.series).get("task", "rest")

    @property
    def model_name(self) -> str:
        """Return the name of the model; empty if unknown."""
        return str(self.provenance.get("Model", {}).get("Name", ""))

    def path(self, root: Path, kind: str, **labels: str) -> Path:
        """Return the path of a file of the group.

        Parameters
        ----------
        root : Path
            Root of the output dataset, or of a folder with the same layout.
        kind : str
            A kind of ``data/outputs.json`` that starts with ``group_``.
        **labels : str
            Further labels that the pattern needs.

        Returns
        -------
        Path
        """
        path = output_path(root, kind, entities=self.series, **labels)
        return root / self.folder / path.relative_to(root / GROUP_FOLDER)
