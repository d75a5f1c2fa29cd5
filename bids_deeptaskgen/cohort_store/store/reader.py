"""Reader of cohort stores."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.store.description import StoreDescription, read_description
from bids_deeptaskgen.cohort_store.store.layout import MAPS, ROI_CONNECTOMES
from bids_deeptaskgen.cohort_store.store.row_tables import LABELS, Labels, RowTables
from bids_deeptaskgen.cohort_store.store.shard_facts import read_rows_and_states
from bids_deeptaskgen.cohort_store.store.shards import ShardStates, array_names
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.io.text_table import MISSING_VALUES
from bids_deeptaskgen.io.tsv import join_columns

if TYPE_CHECKING:
    import pandas
    from nibabel.nifti1 import Nifti1Image

logger = logging.getLogger("bids_deeptaskgen")

Values = NDArray[np.float32]

# Rows of one read, so that their stored bytes and the result are not in memory twice for all rows.
_ROWS_PER_READ = 64
_MAX_READS = 5


class CohortStore:
    """Maps of all sessions of a cohort, read from a store; see `open_store`.

    ``store[i]`` are the maps of row ``i``, an array of shape (n_contrasts, n_voxels), and ``len(store)`` is
    the number of rows, so that a store is a data set of torch. It can be pickled.

    Parameters
    ----------
    path : Path
        Folder of the store.
    allow_incomplete : bool
        Read NaN for the rows without maps, with a warning, instead of refusing the store.

    Attributes
    ----------
    path : Path
    description : StoreDescription
        Model, settings, mask and grid.
    """

    def __init__(self, path: Path, *, allow_incomplete: bool = False) -> None:
        self.path = Path(path)
        self.description: StoreDescription = read_description(self.path)
        self._rows: RowTables
        self._states: ShardStates
        self._rows, self._states = read_rows_and_states(self.path, self.description)
        if self._states.incomplete:
            message = self._explain_incomplete()
            remedy = (
                "If another process packs the store, wait until it ends. Otherwise, complete the store with "
                f"`deeptaskgen store pack OUTPUT_DIR {self.path}`"
            )
            if not allow_incomplete:
                message = (
                    f"{message}.\n{remedy}. In Python, open_store(..., allow_incomplete=True) opens the rest."
                )
                raise InputError(message)
            logger.warning("%s; they are NaN. %s.", message, remedy)
        self._check_shape()

    def _explain_incomplete(self) -> str:
        shards, problems = self._states.incomplete, self._states.problems
        n_rows = sum(not row.is_packed for row in self._states.rows)
        further = f"; also {abbreviate(list(map(str, shards[1:])))}" if shards[1:] else ""
        return (
            f"{self.path}: {quantity(len(shards), 'shard')} of {len(problems)} with "
            f"{quantity(n_rows, 'row')} cannot be read: shard {shards[0]} {problems[shards[0]]}{further}"
        )

    def _check_shape(self) -> None:
        n_packed = max(
            (number for number, row in enumerate(self._states.rows, 1) if row.is_packed), default=0
        )
        for name in array_names(self.description):
            n_rows = self.arrays[name].shape[0]
            if n_rows < n_packed:
                message = (
                    f"{self.path}: its array {name} has {n_rows} rows, and its tables have {len(self)}.\n"
                    f"Complete the store with `deeptaskgen store pack OUTPUT_DIR {self.path}`."
                )
                raise InputError(message)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without open arrays, which another process opens itself."""
        return {key: value for key, value in self.__dict__.items() if key != "arrays"}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __repr__(self) -> str:
        """Describe the store in one line."""
        return (
            f"CohortStore({str(self.path)!r}: {quantity(len(self), 'row')}, "
            f"{quantity(len(self.contrasts), 'contrast')}, {quantity(self.description.n_voxels, 'voxel')})"
        )

    def __getitem__(self, row: int) -> Values:
        """Read the maps of a row.

        Parameters
        ----------
        row : int
            Number of the row; negative numbers count from the end.

        Returns
        -------
        float32 array of shape (n_contrasts, n_voxels)
            NaN where a map has no value.
        """
        if not -len(self) <= row < len(self):
            message = f"row {row} does not exist; the store has {quantity(len(self), 'row')}."
            raise IndexError(message)
        row %= len(self)
        values: Values = self._read(MAPS, slice(row, row + 1), slice(None))[0]
        return values

    @cached_property
    def arrays(self) -> Any:
        """Return the Zarr group with the arrays ``maps``, ``mask`` and ``roi_connectomes``."""
        import zarr

        return zarr.open_group(self.path, mode="r")

    @cached_property
    def participants(self) -> "pandas.DataFrame":
        """Return the table of rows: labels, columns of participants.tsv and quality metrics."""
        import io

        import pandas as pd

        columns: dict[str, list[Any]] = {name: [] for name in LABELS}
        columns |= join_columns(dict.fromkeys(LABELS) | dict(row) for row in self._rows.rows)
        # A round trip through text lets pandas find the types of the columns.
        text = pd.DataFrame(columns).to_csv(index=False)
        dtype: Any = dict.fromkeys((*LABELS, "data_hash"), str)
        return pd.read_csv(
            io.StringIO(text), dtype=dtype, keep_default_na=False, na_values=sorted(MISSING_VALUES)
        )

    @property
    def row_labels(self) -> tuple[Labels, ...]:
        """Return participant, session and run of each row; empty text for labels that it lacks."""
        return self._rows.labels

    @property
    def contrasts(self) -> tuple[str, ...]:
        """Return the labels of the contrasts in order."""
        return self.description.labels

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Return the voxels of the maps, of shape (91, 109, 91); maps have them in C order."""
        return self.description.mask

    @property
    def affine(self) -> NDArray[np.float64]:
        """Return the affine of the mask, of shape (4, 4), from voxel indices to mm."""
        return self.description.grid.matrix

    @cached_property
    def is_missing(self) -> NDArray[np.bool_]:
        """Return which maps have no values: a boolean array of shape (n_rows, n_contrasts)."""
        is_missing = np.ones((len(self), len(self.contrasts)), bool)
        for number, row in enumerate(self._states.rows):
            if row.is_packed:
                labels = row.missing_labels
                is_missing[number] = [label in labels for label in self.contrasts] if labels else False
        return is_missing

    @cached_property
    def lacks_roi_connectome(self) -> NDArray[np.bool_]:
        """Return which rows have no ROI connectome: a boolean array of shape (n_rows,)."""
        return np.array([not (row.is_packed and row.has_roi_connectome) for row in self._states.rows], bool)

    def maps(self, contrast: str, rows: Sequence[int] | None = None) -> Values:
        """Read the maps of a contrast.

        Parameters
        ----------
        contrast : str
            Label.
        rows : sequence of int, optional
            Numbers of the rows to read, in any order; all rows by default.

        Returns
        -------
        float32 array of shape (n_rows, n_voxels)
            NaN where a map has no value; all of a row for those of `is_missing`.
        """
        if contrast not in self.contrasts:
            message = f"{self.path}: has no contrast {contrast}. It has {', '.join(self.contrasts)}."
            raise UserError(message)
        index = self.contrasts.index(contrast)
        columns = slice(index, index + 1)
        if rows is None:
            return self._read(MAPS, slice(0, len(self)), columns)[:, 0]
        return self._read_rows(MAPS, rows, columns)[:, 0]

    def roi_connectomes(self, rows: Sequence[int] | None = None) -> Values:
        """Read the ROI x ROI connectomes.

        Parameters
        ----------
        rows : sequence of int, optional
            Numbers of the rows to read, in any order; all rows by default.

        Returns
        -------
        float32 array of shape (n_rows, n_rois, n_rois)
            Pearson r; NaN for rows of `lacks_roi_connectome` and ROIs without signal.
        """
        if not self.description.n_rois:
            message = f"{self.path}: has no ROI connectomes; its maps were packed without."
            raise UserError(message)
        if rows is None:
            return self._read(ROI_CONNECTOMES, slice(0, len(self)), slice(None))
        return self._read_rows(ROI_CONNECTOMES, rows, slice(None))

    def to_image(self, values: NDArray[np.floating] | Sequence[float]) -> "Nifti1Image":
        """Convert values of voxels to an image.

        Parameters
        ----------
        values : array of shape (n_voxels,) or (n_maps, n_voxels)

        Returns
        -------
        Nifti1Image
            float32 image of shape (91, 109, 91) or (91, 109, 91, n_maps), 0 outside the mask and for NaN.
        """
        from nibabel.nifti1 import Nifti1Image

        rows = np.nan_to_num(np.asarray(values, np.float32))
        if rows.shape[-1:] != (self.description.n_voxels,) or rows.ndim not in (1, 2):
            message = (
                f"`values` has the shape {rows.shape}; the maps have {self.description.n_voxels} voxels."
            )
            raise ValueError(message)
        volume = np.zeros((*self.mask.shape, *rows.shape[:-1]), np.float32)
        volume[self.mask] = rows.T
        image = Nifti1Image(volume, self.affine)
        image.header.set_sform(self.affine, code="mni")
        image.header.set_qform(self.affine, code="mni")
        return image

    def _read_rows(self, name: str, rows: Sequence[int], columns: slice) -> Values:
        """Read some rows of an array; neighbouring rows are read together."""
        numbers = np.asarray(rows, np.intp)
        invalid = numbers[(numbers < 0) | (numbers >= len(self))]
        if len(invalid):
            message = f"row {invalid[0]} does not exist; the store has {quantity(len(self), 'row')}."
            raise IndexError(message)
        n_columns = len(range(*columns.indices(self.arrays[name].shape[1])))
        values = np.empty((len(numbers), n_columns, self.arrays[name].shape[2]), np.float32)
        start = 0
        while start < len(numbers):
            stop = start + 1
            while stop < min(len(numbers), start + _ROWS_PER_READ) and numbers[stop] == numbers[stop - 1] + 1:
                stop += 1
            first = int(numbers[start])
            values[start:stop] = self._read(name, slice(first, first + stop - start), columns)
            start = stop
        return values

    def _read(self, name: str, rows: slice, columns: slice) -> Values:
        """Read rows of an array; NaN for rows that are not packed, an error for damaged ones."""
        array = self.arrays[name]
        if not self._states.incomplete and array.shape[0] >= len(self):
            return self._read_packed(name, rows, columns)
        n_columns = len(range(*columns.indices(array.shape[1])))
        values = np.full((rows.stop - rows.start, n_columns, array.shape[2]), np.nan, np.float32)
        for shard, state in enumerate(self._states.shards):
            shard_rows = self.description.shard_rows(shard, array.shape[0])
            start, stop = max(shard_rows.start, rows.start), min(shard_rows.stop, rows.stop)
            if start < stop and any(row.is_packed for row in state.rows):
                part = self._read_packed(name, slice(start, stop), columns)
                values[start - rows.start : stop - rows.start] = part
        return values

    def _read_packed(self, name: str, rows: slice, columns: slice) -> Values:
        values = self._read_array(name, rows, columns)
        # A shard that was removed after the store was opened is read as NaN.
        if name == MAPS:
            is_nan, expected = np.isnan(values[:, :, 0]), self.is_missing[rows, columns]
            suspects = [values[row, column] for row, column in np.argwhere(is_nan & ~expected)]
        else:
            suspects = list(values[~self.lacks_roi_connectome[rows]])
        if any(np.isnan(part).all() for part in suspects):
            message = (
                f"{self.path}: {name} that were packed are missing.\nFind them with `deeptaskgen store "
                f"check {self.path}`."
            )
            raise InputError(message)
        return values

    def _read_array(self, name: str, rows: slice, columns: slice) -> Values:
        """Read rows of an array; repeat the reading if bytes are damaged."""
        n_reads = 0
        while True:
            try:
                return np.asarray(self.arrays[name][rows, columns], np.float32)
            # zarr and its codecs raise several types for damaged bytes.
            except (ValueError, RuntimeError) as error:
                # Zarr opens a shard for its index and for each chunk. If another process replaces the shard
                # between them, the chunk is not where the index has it.
                n_reads += 1
                if n_reads < _MAX_READS:
                    continue
                message = (
                    f"{self.path}: some bytes of {name} are damaged ({error}).\n"
                    f"Find them with `deeptaskgen store check {self.path}`."
                )
                raise InputError(message) from error


def open_store(path: Path | str, *, allow_incomplete: bool = False) -> CohortStore:
    """Open a cohort store for reading.

    Parameters
    ----------
    path : Path or str
        Folder of the store.
    allow_incomplete : bool
        Read NaN for the rows without maps, with a warning, instead of refusing the store.

    Returns
    -------
    CohortStore

    Raises
    ------
    UserError
        If the folder is not a cohort store.
    InputError
        If the store is damaged or, without `allow_incomplete`, incomplete.

    Examples
    --------
    A store of two participants, two contrasts and three voxels:

    >>> from bids_deeptaskgen.cohort_store.store.create import create_store
    >>> from bids_deeptaskgen.cohort_store.store.description import StoreDescription
    >>> from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
    >>> from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
    >>> mask = np.zeros((91, 109, 91), bool)
    >>> mask[45, 50, 40:43] = True
    >>> contrasts = ({"label": "wm2bk"}, {"label": "motorLh"})
    >>> _ = create_store(folder / "store", StoreDescription(contrasts, mask))
    >>> rows = [{"participant_id": "sub-01", "age": 31}, {"participant_id": "sub-02", "age": 25}]
    >>> _ = add_rows(folder / "store", rows, "OUTPUT_DIR")
    >>> maps = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    >>> _ = pack_shards(folder / "store", lambda row: RowContent(maps[row]), [0])

    All maps of a contrast, and all maps of a participant:

    >>> store = open_store(folder / "store")
    >>> store.maps("motorLh")
    array([[ 3.,  4.,  5.],
           [ 9., 10., 11.]], dtype=float32)
    >>> store[1]
    array([[ 6.,  7.,  8.],
           [ 9., 10., 11.]], dtype=float32)
    >>> len(store), store.contrasts, list(store.participants["age"])
    (2, ('wm2bk', 'motorLh'), [31, 25])
    >>> store.to_image(store.maps("wm2bk").mean(axis=0)).shape
    (91, 109, 91)
    """
    return CohortStore(Path(path), allow_incomplete=allow_incomplete)
