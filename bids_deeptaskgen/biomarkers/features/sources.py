"""Kinds of sources of features, and the reader of each kind."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.bids.participant_ids import bare_label
from bids_deeptaskgen.bids.participants_table import ParticipantRows
from bids_deeptaskgen.bids.participants_table import read_rows as read_participants_tsv
from bids_deeptaskgen.biomarkers.features.measured_maps import open_measured_maps
from bids_deeptaskgen.biomarkers.features.reader import FeatureReader, Selection
from bids_deeptaskgen.biomarkers.features.roi_connectome import open_roi_connectomes
from bids_deeptaskgen.biomarkers.features.store_maps import open_store_maps
from bids_deeptaskgen.biomarkers.features.tables import open_roi_table, open_wide_table
from bids_deeptaskgen.cohort_store.exports import participant_columns
from bids_deeptaskgen.cohort_store.store.description import is_store
from bids_deeptaskgen.cohort_store.store.row_tables import LABELS
from bids_deeptaskgen.cohort_store.store.row_tables import read_rows as read_store_rows
from bids_deeptaskgen.cohort_store.wide_tables import SUFFIXES, column_names
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.tsv import join_columns
from bids_deeptaskgen.settings.biomarkers import CONNECTOME, FeatureSource

STORE = "store"
# Columns that only these tables have.
_PATH_COLUMNS = {"contrast", "path"}
_ROI_COLUMNS = {"contrast", "index", "mean"}


class SourceKind(NamedTuple):
    """Kind of sources; a further kind is one more entry of `KINDS`.

    Attributes
    ----------
    name : str
    is_kind_of : callable
        Returns whether a path is of this kind; the second argument is its columns, empty for folders.
    open_reader : callable
        Opens the features of a source, for a selection, with a scratch folder and the columns that must not
        be features.
    find_participants : callable
        Returns the table of participants that belongs to a path, or None.
    """

    name: str
    is_kind_of: Callable[[Path, Collection[str]], bool]
    open_reader: Callable[[FeatureSource, Selection, Path, Collection[str]], FeatureReader]
    find_participants: Callable[[Path], ParticipantRows | None]


def find_kind(source: FeatureSource) -> SourceKind:
    """Detect the kind of a source.

    Parameters
    ----------
    source : FeatureSource

    Returns
    -------
    SourceKind
        The first of `KINDS` that the source is of.

    Raises
    ------
    UserError
        If the path does not exist, or a file has another ending than those of tables.
    InputError
        If a table cannot be read.
    """
    path = source.path
    columns: set[str] = set()
    if not path.is_dir():
        if not path.is_file():
            message = f"`features` {source.name}: {path}: no such file or folder. Correct the path."
            raise UserError(message)
        if path.suffix not in SUFFIXES:
            message = (
                f"`features` {source.name}: {path} is neither a folder nor a table ({', '.join(SUFFIXES)}).\n"
                "Name a cohort store, a dataset of measured maps, or a table with a column participant_id."
            )
            raise UserError(message)
        columns = set(column_names(path))
    return next(kind for kind in KINDS if kind.is_kind_of(path, columns))


def kind_of(source: FeatureSource) -> str:
    """Return the name of the kind of a source.

    Parameters
    ----------
    source : FeatureSource

    Returns
    -------
    {"store", "dataset", "ROI table", "table of paths", "table"}

    Raises
    ------
    UserError, InputError
        See `find_kind`.
    """
    return find_kind(source).name


def open_features(
    source: FeatureSource, selection: Selection, scratch: Path, targets: Collection[str] = ()
) -> FeatureReader:
    """Find the participants with features, and prepare their reading.

    Parameters
    ----------
    source : FeatureSource
    selection : Selection
        Participants and session.
    scratch : Path
        Folder for temporary files, which disappear with the reader.
    targets : collection of str
        Columns that must not be features: targets and confounds.

    Returns
    -------
    FeatureReader
        Tables and measured maps are in memory, or in a temporary file; maps of a store are read later.

    Raises
    ------
    UserError
        If the source does not exist, or has no such contrasts, or the selection leaves no participant.
    InputError
        If the source cannot be read, or no participant has features.
    """
    kind = find_kind(source)
    has_connectome = CONNECTOME in source.parts
    if has_connectome and len(source.parts) > 1:
        message = (
            f"`features` {source.name}: {CONNECTOME} and contrasts were given. Give the connectome a NAME of "
            f"its own, such as {CONNECTOME}={source.path}:{CONNECTOME}."
        )
        raise UserError(message)
    if has_connectome and kind.name != STORE:
        message = (
            f"`features` {source.name}: the part {CONNECTOME} needs a cohort store, and {source.path} is a "
            f"{kind.name}. Create a store with `deeptaskgen store pack OUTPUT_DIR STORE`."
        )
        raise UserError(message)
    return kind.open_reader(source, selection, scratch, targets)


def find_participants_table(source: FeatureSource) -> ParticipantRows | None:
    """Return the table of participants that belongs to a source.

    Parameters
    ----------
    source : FeatureSource

    Returns
    -------
    ParticipantRows or None
        Of a store: its rows, with columns of participants.tsv and quality metrics. Of a dataset or an ROI
        table: participants.tsv. None for other tables, and if there is no such file.

    Raises
    ------
    UserError
        If the source does not exist.
    InputError
        If the table cannot be read.
    """
    return find_kind(source).find_participants(source.path)


def _store_participants(store: Path) -> ParticipantRows:
    columns = join_columns(dict(row) for row in read_store_rows(store).rows)
    rows: dict[str, list[dict[str, str]]] = {}
    names = tuple(name for name in columns if name != LABELS[0])
    for number, participant in enumerate(columns[LABELS[0]]):
        cells = {name: columns[name][number] or "n/a" for name in names}
        rows.setdefault(bare_label(participant), []).append(cells)
    return ParticipantRows(store, names, rows)


def _participants_of_dataset(root: Path) -> ParticipantRows | None:
    return _read_table(root / "participants.tsv")


def _participants_of_roi_table(path: Path) -> ParticipantRows | None:
    return _read_table(participant_columns.find_participants_table(path, None))


def _read_table(table: Path | None) -> ParticipantRows | None:
    return read_participants_tsv(table) if table is not None and table.is_file() else None


def _no_participants(_path: Path) -> None:
    """Return no table: paths and numbers of any folder have none of a known place."""


def _open_store(
    source: FeatureSource, selection: Selection, _scratch: Path, _targets: Collection[str]
) -> FeatureReader:
    return (open_roi_connectomes if CONNECTOME in source.parts else open_store_maps)(source, selection)


def _open_maps(
    source: FeatureSource, selection: Selection, scratch: Path, _targets: Collection[str]
) -> FeatureReader:
    return open_measured_maps(source, selection, scratch)


def _open_rois(
    source: FeatureSource, selection: Selection, _scratch: Path, _targets: Collection[str]
) -> FeatureReader:
    if source.path.suffix == ".csv":
        message = (
            f"`features` {source.name}: {source.path} is an ROI table, which cannot be read as CSV.\n"
            "Name the file that the group level wrote, or save this one as TSV or Parquet."
        )
        raise UserError(message)
    return open_roi_table(source, selection)


def _open_table(
    source: FeatureSource, selection: Selection, _scratch: Path, targets: Collection[str]
) -> FeatureReader:
    return open_wide_table(source, selection, targets)


# In order of precedence; any folder may be a dataset, and any table may be a wide one.
KINDS = (
    SourceKind(STORE, lambda path, _: path.is_dir() and is_store(path), _open_store, _store_participants),
    SourceKind("dataset", lambda path, _: path.is_dir(), _open_maps, _participants_of_dataset),
    SourceKind(
        "ROI table", lambda _, columns: _ROI_COLUMNS.issubset(columns), _open_rois, _participants_of_roi_table
    ),
    SourceKind(
        "table of paths",
        lambda path, columns: path.suffix == ".tsv" and _PATH_COLUMNS.issubset(columns),
        _open_maps,
        _no_participants,
    ),
    SourceKind("table", lambda path, _: path.is_file(), _open_table, _no_participants),
)
