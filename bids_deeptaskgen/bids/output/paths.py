"""Paths of output files, and the pybids layout of an output dataset."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bids_deeptaskgen.bids.filenames import join_name
from bids_deeptaskgen.data import load_table

if TYPE_CHECKING:
    from bids import BIDSLayout

BIDS_VERSION = "1.11.1"
_SIDECAR = "_sidecar"


def output_path(
    output_dir: Path,
    kind: str,
    *,
    subject: str | None = None,
    session: str | None = None,
    entities: Iterable[tuple[str, str]] = (),
    **labels: str,
) -> Path:
    """Return the path of a file of the output dataset.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.
    kind : str
        A key of ``patterns`` in ``data/outputs.json``; with ``_sidecar`` appended, its JSON sidecar.
    subject, session : str, optional
        Labels without ``sub-`` and ``ses-``; None for files of the group.
    entities : iterable of (str, str)
        Entities that distinguish the files of a session, as in `SessionInputs`, e.g. ``[("task", "rest")]``.
    **labels : str
        Further labels that the pattern needs: ``contrast``, ``stat``.

    Returns
    -------
    Path

    Raises
    ------
    KeyError
        If there is no such kind, or `labels` lacks a label of its pattern.
    """
    participant = [("sub", subject)] if subject else []
    participant += [("ses", session)] if session else []
    folder = "/".join(f"{key}-{value}" for key, value in participant)
    pattern: str = load_table("outputs.json")["patterns"][kind.removesuffix(_SIDECAR)]
    name = join_name([*participant, *entities])
    path = output_dir / pattern.format(folder=folder, name=name, **labels)
    return sidecar_path(path) if kind.endswith(_SIDECAR) else path


def sidecar_path(path: Path) -> Path:
    """Return the path of the JSON sidecar of an image or table.

    Parameters
    ----------
    path : Path
        Image or table; need not exist.

    Returns
    -------
    Path
        In the same folder, with ``.json`` instead of all extensions.

    Examples
    --------
    >>> sidecar_path(Path("sub-01_task-rest_bold.nii.gz")).name
    'sub-01_task-rest_bold.json'
    """
    return path.with_name(path.name.partition(".")[0] + ".json")


def output_layout(output_dir: Path | str) -> "BIDSLayout":
    """Open an output dataset with pybids, for queries by ``contrast`` and ``stat``.

    Parameters
    ----------
    output_dir : Path or str
        Root of an output dataset of bids_deeptaskgen.

    Returns
    -------
    BIDSLayout
        ``layout.get(contrast="emotionFacesMinusShapes", stat="z", extension=".nii.gz")`` lists images.
    """
    from bids import BIDSLayout, BIDSLayoutIndexer

    config = ["bids", "derivatives", load_table("bids_config.json")]
    indexer = BIDSLayoutIndexer(ignore=[re.compile(r"^/(logs|work)(/|$)"), re.compile(r"/figures(/|$)")])
    return BIDSLayout(Path(output_dir).absolute(), validate=False, config=config, indexer=indexer)
