"""Tables of imaging-derived phenotypes for Nipoppy: a row for each participant and session."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import Entities
from bids_deeptaskgen.bids.output.idp_table import column_prefix, idp_table
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.quality_tables import describe_columns
from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.bids.output.usable_maps import read_session_maps
from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.cohort_store.exports.names import safe_names
from bids_deeptaskgen.cohort_store.regions.roi_values import region_values
from bids_deeptaskgen.cohort_store.tables import NO_VALUE
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import atomic_path, remove_stale_siblings, write_json
from bids_deeptaskgen.io.tsv import write_tsv

# Label that Nipoppy uses for data without sessions.
UNNAMED_SESSION = "unnamed"
_LABELS = ("participant_id", "session_id")


class MapSource(NamedTuple):
    """Maps of one set, and what is exported of them.

    Attributes
    ----------
    dataset : Path
        Root of the output dataset.
    results : sequence of Result
        Sessions and runs.
    series : tuple of (str, str)
        Entities that they share.
    contrasts : sequence of str
        Labels.
    units : sequence of str
        Units of the maps of each contrast.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.
    """

    dataset: Path
    results: Sequence[Result]
    series: Entities
    contrasts: Sequence[str]
    units: Sequence[str]
    mask: NDArray[np.bool_]


def region_table_path(folder: Path, series: Entities, atlas: Atlas) -> Path:
    """Return the path of the table of an atlas.

    Parameters
    ----------
    folder : Path
    series : tuple of (str, str)
        Entities of the maps.
    atlas : Atlas

    Returns
    -------
    Path
        For example ``deeptaskgen_task-rest_seg-Schaefer_desc-maps_idps.tsv``.
    """
    return _table_path(folder, series, f"seg-{atlas.label}_desc-maps")


def quality_table_path(folder: Path, series: Entities) -> Path:
    """Return the path of the table of quality metrics.

    Parameters
    ----------
    folder : Path
    series : tuple of (str, str)
        Entities of the maps.

    Returns
    -------
    Path

    Examples
    --------
    >>> quality_table_path(Path(), (("task", "rest"),)).name
    'deeptaskgen_task-rest_desc-quality_idps.tsv'
    """
    return _table_path(folder, series, "desc-quality")


def _table_path(folder: Path, series: Entities, ending: str) -> Path:
    entities = "_".join(f"{key}-{value}" for key, value in series)
    return folder / f"deeptaskgen_{entities}_{ending}_idps.tsv"


def check_tables(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse tables that exist and are not to be replaced.

    Parameters
    ----------
    paths : iterable of Path
    overwrite : bool

    Raises
    ------
    UserError
    """
    existing_file = next((path for path in paths if path.exists()), None)
    if existing_file and not overwrite:
        message = f"{existing_file}: exists. Choose another `out`, or replace it with `overwrite`."
        raise UserError(message)


def write_quality_table(folder: Path, source: MapSource) -> Path:
    """Write the quality metrics of each session, with a JSON file that describes the columns.

    Parameters
    ----------
    folder : Path
        It is created.
    source : MapSource

    Returns
    -------
    Path
        The table. Runs with their own maps have their own columns.
    """
    path = quality_table_path(folder, source.series)
    columns, sidecar = idp_table(source.results)
    columns["session_id"] = [label or UNNAMED_SESSION for label in columns["session_id"]]
    remove_stale_siblings(path)
    write_tsv(path, columns)
    write_json(sidecar_path(path), sidecar)
    return path


def write_region_tables(
    folder: Path, source: MapSource, atlases: Sequence[Atlas], faults: list[ResultFault]
) -> dict[Path, int]:
    """Write the mean of each map in each region, one table for each atlas, reading each map once.

    Values are averaged over the runs of a session. Only one session is in memory.

    Parameters
    ----------
    folder : Path
        It is created.
    source : MapSource
    atlases : sequence of Atlas
    faults : list of ResultFault
        Maps that cannot be read, or hold no values, are added.

    Returns
    -------
    dict of Path to int
        Tables and the number of their rows; sessions without any value have no row.
    """
    sessions: dict[tuple[str, str | None], list[Result]] = {}
    for result in source.results:
        sessions.setdefault((result.subject, result.session), []).append(result)
    with ExitStack() as stack:
        tables = [stack.enter_context(_RegionTable(folder, source, atlas)) for atlas in atlases]
        for (subject, session), runs in sessions.items():
            means: list[list[NDArray[np.float64]]] = [[] for _ in atlases]
            for run in runs:
                maps = read_session_maps(source.dataset, run, source.contrasts, source.mask, faults)
                for atlas, rows in zip(atlases, means, strict=True):
                    rows.append(region_values(maps, atlas).mean.ravel())
            for table, rows in zip(tables, means, strict=True):
                table.add(subject, session or UNNAMED_SESSION, _average(np.array(rows)))
    for table in tables:
        write_json(sidecar_path(table.path), table.sidecar)
    return {table.path: table.n_rows for table in tables}


def _average(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over runs without NaN; NaN if no run has a value."""
    counts = (~np.isnan(rows)).sum(axis=0)
    return np.where(counts > 0, np.nansum(rows, axis=0) / np.maximum(counts, 1), np.nan)


class _RegionTable:
    """Table of the means in the regions of an atlas, which is written row by row.

    Parameters
    ----------
    folder : Path
    source : MapSource
    atlas : Atlas
    """

    def __init__(self, folder: Path, source: MapSource, atlas: Atlas) -> None:
        self.path = region_table_path(folder, source.series, atlas)
        self.n_rows = 0
        self._files = ExitStack()
        columns = [
            (contrast, units, number, region)
            for contrast, units in zip(source.contrasts, source.units, strict=True)
            for number, region in zip(atlas.numbers, atlas.names, strict=True)
        ]
        prefix = column_prefix(source.series)
        self._names = safe_names(
            (f"{prefix}{atlas.label}_{contrast}_{region}" for contrast, _, _, region in columns), _LABELS
        )
        self.sidecar = describe_columns(_LABELS) | _describe(
            atlas, dict(zip(self._names, columns, strict=True))
        )

    def __enter__(self) -> Self:
        """Open a temporary file and write the names of the columns."""
        remove_stale_siblings(self.path)
        temporary = self._files.enter_context(atomic_path(self.path))
        self._text = self._files.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
        self._text.write("\t".join((*_LABELS, *self._names)) + "\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, or remove it after an exception."""
        self._files.__exit__(kind, error, traceback)

    def add(self, subject: str, session: str, values: NDArray[np.float64]) -> None:
        """Add the row of a session, unless it has no value.

        Parameters
        ----------
        subject, session : str
            Labels without ``sub-`` and ``ses-``.
        values : float64 array of shape (n_contrasts * n_regions,)
        """
        if np.isnan(values).all():
            return
        cells = (NO_VALUE if value != value else f"{value:.6g}" for value in values.tolist())
        self._text.write("\t".join((subject, session, *cells)) + "\n")
        self.n_rows += 1


def _describe(atlas: Atlas, columns: Mapping[str, tuple[str, str, int, str]]) -> dict[str, Any]:
    """Describe the columns of an atlas."""
    return {
        name: {
            "Description": f"Mean over region {region} of the map of {contrast} predicted from resting-state "
            "fMRI; not measured.",
            "Units": units,
            "Contrast": contrast,
            "Region": region,
            "Index": number,
            "Atlas": atlas.label,
        }
        for name, (contrast, units, number, region) in columns.items()
    }
