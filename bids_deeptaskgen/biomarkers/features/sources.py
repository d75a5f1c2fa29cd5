"""Kinds of sources of features, and the reader of each kind."""

from collections.abc import Callable, Collection
from pathlib import Path

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

STORE, DATASET, PATHS, ROI_TABLE, TABLE = "store", "dataset", "table of paths", "ROI table", "table"
# Columns that only these tables have.
_PATH_COLUMNS = {"contrast", "path"}
_ROI_COLUMNS = {"contrast", "index", "mean"}


def kind_of(source: FeatureSource) -> str:
    """Detect the kind of a source.

    Parameters
    ----------
    source : FeatureSource

    Returns
    -------
    {"store", "dataset", "table of paths", "ROI table", "table"}

    Raises
    ------
    UserError
        If the path does not exist, or a file has another ending than those of tables.
    InputError
        If a table cannot be read.
    """
    path = source.path
    if path.is_dir():
        return STORE if is_store(path) else DATASET
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
    if path.suffix == ".csv" and columns >= _ROI_COLUMNS:
        message = (
            f"`features` {source.name}: {path} is an ROI table, read as TSV or Parquet and not as CSV.\n"
            "Name the file that the group level wrote, or save this one as TSV or Parquet."
        )
        raise UserError(message)
    if columns >= _ROI_COLUMNS:
        return ROI_TABLE
    return PATHS if path.suffix == ".tsv" and columns >= _PATH_COLUMNS else TABLE


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
    kind = kind_of(source)
    has_connectome = CONNECTOME in source.parts
    if has_connectome and len(source.parts) > 1:
        message = (
            f"`features` {source.name}: {CONNECTOME} and contrasts were given. Give the connectome a NAME of "
            f"its own, such as {CONNECTOME}={source.path}:{CONNECTOME}."
        )
        raise UserError(message)
    if has_connectome and kind != STORE:
        message = (
            f"`features` {source.name}: the part {CONNECTOME} needs a cohort store, and {source.path} is a "
            f"{kind}. Create a store with `deeptaskgen store pack OUTPUT_DIR STORE`."
        )
        raise UserError(message)
    readers: dict[str, Callable[[], FeatureReader]] = {
        STORE: lambda: (open_roi_connectomes if has_connectome else open_store_maps)(source, selection),
        DATASET: lambda: open_measured_maps(source, selection, scratch),
        PATHS: lambda: open_measured_maps(source, selection, scratch),
        ROI_TABLE: lambda: open_roi_table(source, selection),
        TABLE: lambda: open_wide_table(source, selection, targets),
    }
    return readers[kind]()


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
    kind = kind_of(source)
    if kind == STORE:
        return _store_participants(source.path)
    table = source.path / "participants.tsv" if kind == DATASET else None
    if kind == ROI_TABLE:
        table = participant_columns.find_participants_table(source.path, None)
    return read_participants_tsv(table) if table is not None and table.is_file() else None


def _store_participants(store: Path) -> ParticipantRows:
    columns = join_columns(dict(row) for row in read_store_rows(store).rows)
    rows: dict[str, list[dict[str, str]]] = {}
    names = tuple(name for name in columns if name != LABELS[0])
    for number, participant in enumerate(columns[LABELS[0]]):
        cells = {name: columns[name][number] or "n/a" for name in names}
        rows.setdefault(bare_label(participant), []).append(cells)
    return ParticipantRows(store, names, rows)
