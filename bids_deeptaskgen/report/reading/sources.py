"""Files of a session from which its part of a page is made."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.report_data import SessionImages, load_session_images
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.tsv import read_tsv

logger = logging.getLogger("bids_deeptaskgen")


@dataclass(frozen=True)
class SessionSources:
    """Contents of a session's files.

    Attributes
    ----------
    output_dir : Path
        Root of the output dataset.
    result : Result
    record : dict
        Completion record, with metrics and flags.
    provenance : dict
        ``DeepTaskGen`` part of the sidecar of the first map.
    inputs : tuple of str
        URIs of the input files.
    images : SessionImages or None
        None if the maps were computed with ``--reports none`` or by an earlier version.
    run_facts : dict
        Command line, durations and device of the run; empty without `images`.
    """

    output_dir: Path
    result: Result
    record: Mapping[str, Any]
    provenance: Mapping[str, Any]
    inputs: tuple[str, ...]
    images: SessionImages | None
    run_facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return a name for headings, e.g. ``ses-1 task-rest``."""
        return result_name(self.result)

    def path(self, kind: str) -> Path:
        """Return the path of a file of the session; see `output_path`.

        Parameters
        ----------
        kind : str
        """
        return self.result.path(self.output_dir, kind)

    def rows(self, kind: str) -> list[dict[str, str]]:
        """Read a table of the session.

        Parameters
        ----------
        kind : str
            See `output_path`.

        Returns
        -------
        list of dict of str to str
            Empty if the file does not exist.
        """
        path = self.path(kind)
        return list(read_tsv(path)) if path.is_file() else []


def result_name(result: Result) -> str:
    """Return the name of a set of maps for headings, e.g. ``ses-1 task-rest``.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
    """
    session = [("ses", result.session)] if result.session else []
    return " ".join(f"{key}-{value}" for key, value in (*session, *result.entities))


def read_sources(output_dir: Path, result: Result) -> SessionSources:
    """Read the files of a session.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    result : Result

    Returns
    -------
    SessionSources

    Raises
    ------
    InputError
        If the record or a sidecar cannot be read.
    """
    label = result.maps.contrasts[0] if result.maps.contrasts else ""
    sidecar = read_json(sidecar_path(result.statmap(output_dir, label)))
    path = result.path(output_dir, "report_data")
    images: SessionImages | None = None
    run_facts: dict[str, Any] = {}
    if path.is_file():
        try:
            images, run_facts = load_session_images(path)
        except InputError as error:
            # The other parts of the page do not depend on it.
            logger.warning("%s", error)
    return SessionSources(
        output_dir=output_dir,
        result=result,
        record=read_json(result.path(output_dir, "qc_metrics")),
        provenance=sidecar.get("DeepTaskGen", {}),
        inputs=tuple(map(str, sidecar.get("Sources", ()))),
        images=images,
        run_facts=run_facts,
    )
