"""Check of a cohort store: tables, metadata, records, files, and the bytes of all chunks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.store.description import StoreDescription, read_description
from bids_deeptaskgen.cohort_store.store.layout import (
    ATTRIBUTES,
    MAPS,
    ROI_CONNECTOMES,
    ZARR_JSON,
    record_path,
    shard_path,
)
from bids_deeptaskgen.cohort_store.store.row_tables import RowTables, read_rows, row_name
from bids_deeptaskgen.cohort_store.store.shards import (
    ShardRecord,
    array_names,
    read_states,
    shards_of_task,
)
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.atomic import stale_files
from bids_deeptaskgen.io.json_file import read_json

ALL_SHARDS = (1, 1)


@dataclass(frozen=True)
class StoreProblem:
    """Problem of a store.

    Attributes
    ----------
    place : str
        File or part of the store.
    text : str
        What is wrong.
    remedy : str
        What to do.
    """

    place: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}. {self.remedy}"


def check_store(
    store: Path, *, quick: bool = False, task: tuple[int, int] = ALL_SHARDS
) -> list[StoreProblem]:
    """Check a store.

    Parameters
    ----------
    store : Path
        Folder of the store.
    quick : bool
        Check tables, records, and names and sizes of files; do not read the maps.
    task : (int, int)
        Number of the task, from 1, and number of tasks among which the shards are divided.

    Returns
    -------
    list of StoreProblem
        Empty if the store is complete and undamaged.

    Raises
    ------
    UserError
        If the folder is not a cohort store.
    InputError
        If the description or the tables are damaged, so that no shard can be checked.
    """
    description = read_description(store)
    tables = read_rows(store)
    return [
        *_metadata_problems(store, description, len(tables)),
        *_shard_problems(store, description, tables, task, quick=quick),
        *_foreign_files(store, description, len(tables)),
    ]


def _pack(store: Path) -> str:
    return f"Run `deeptaskgen store pack OUTPUT_DIR {store}` again."


def _metadata_problems(store: Path, description: StoreDescription, n_rows: int) -> Iterator[StoreProblem]:
    stored_sha256 = read_json(store / ZARR_JSON)["attributes"][ATTRIBUTES].get("MaskSha256")
    if stored_sha256 != description.mask_sha256:
        yield StoreProblem(
            str(store / "mask"),
            f"the mask has the hash {description.mask_sha256[:12]}, not {str(stored_sha256)[:12]}",
            "Delete the store and pack it again.",
        )
    n_rois = description.n_rois
    shapes = {MAPS: [len(description.contrasts), description.n_voxels], ROI_CONNECTOMES: [n_rois, n_rois]}
    for name in array_names(description):
        path = store / name / ZARR_JSON
        try:
            shape = read_json(path)["shape"]
        except (InputError, KeyError) as error:
            yield StoreProblem(str(path), f"is damaged ({error})", "Delete the store and pack it again.")
            continue
        if shape[1:] != shapes[name]:
            problem = f"has the shape {shape}, not {[n_rows, *shapes[name]]}"
            yield StoreProblem(str(path), problem, "Delete the store and pack it again.")
        elif shape[0] != n_rows:
            yield StoreProblem(str(path), f"has {shape[0]} rows; the tables have {n_rows}", _pack(store))


def _shard_problems(
    store: Path, description: StoreDescription, tables: RowTables, task: tuple[int, int], *, quick: bool
) -> Iterator[StoreProblem]:
    states = read_states(store, description, len(tables))
    for shard in shards_of_task(len(states.problems), task):
        record = states.records[shard]
        if states.problems[shard] or record is None:
            yield StoreProblem(f"{store}, shard {shard}", states.problems[shard], _pack(store))
            continue
        rows = description.shard_rows(shard, len(tables))
        for row, row_record in zip(rows, record.rows, strict=True):
            for reason in dict.fromkeys(row_record.faults.values()):
                yield StoreProblem(
                    row_name(tables.rows[row]), " ".join(reason.split()).rstrip("."), _pack(store)
                )
        if not quick:
            yield from _content_problems(store, description, shard, rows, record)


def _content_problems(
    store: Path, description: StoreDescription, shard: int, rows: range, record: ShardRecord
) -> Iterator[StoreProblem]:
    """Read the chunks of a shard, and compare the rows without values with the record."""
    import zarr

    for name in array_names(description):
        path = shard_path(store, name, shard)
        remedy = f"Delete this file. {_pack(store)}"
        array: Any = zarr.open_array(store / name, mode="r")
        try:
            # One row at a time needs little memory.
            is_nan = np.stack([_nan_parts(np.asarray(array[row])) for row in rows])
        # zarr and its codecs raise several types for damaged bytes.
        except (ValueError, RuntimeError, OSError, IndexError) as error:
            yield StoreProblem(str(path), f"is damaged ({error})", remedy)
            continue
        if name == MAPS:
            expected = [[label in row.missing_labels for label in description.labels] for row in record.rows]
        else:
            expected = [[not row.has_roi_connectome] for row in record.rows]
            is_nan = np.asarray(is_nan.all(axis=1)).reshape(-1, 1)
        n_different = int((is_nan != np.array(expected)).sum())
        if n_different:
            problem = f"{n_different} parts have values although their record has none, or the reverse"
            yield StoreProblem(str(path), problem, remedy)


def _nan_parts(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which contrasts, or rows of a connectome, are NaN as a whole."""
    return np.asarray(np.isnan(values).all(axis=1))


def _foreign_files(store: Path, description: StoreDescription, n_rows: int) -> Iterator[StoreProblem]:
    """List temporary files of killed processes, and shards after the last row."""
    for path in stale_files(store):
        yield StoreProblem(str(path), "is the temporary file of a process that was killed", _pack(store))
    n_shards = description.n_shards(n_rows)
    names = [*_numbers(store / MAPS, "c.*.0.0", 1), *_numbers(record_path(store, 0).parent, "*.json", 0)]
    for path, number in names:
        if number >= n_shards:
            problem = f"belongs to no row: the tables have {n_rows} rows, in {n_shards} shards"
            yield StoreProblem(str(path), problem, "Delete this file.")


def _numbers(folder: Path, pattern: str, part: int) -> Iterable[tuple[Path, int]]:
    for path in sorted(folder.glob(pattern)):
        number = path.name.split(".")[part]
        if number.isdigit():
            yield path, int(number)
