"""Check of a cohort store: tables, metadata, records, files, and the bytes of all chunks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.cohort_store.store.description import StoreDescription, read_description
from bids_deeptaskgen.cohort_store.store.layout import (
    MAPS,
    ROI_CONNECTOMES,
    ZARR_JSON,
    record_path,
    rows_folder,
    shard_path,
)
from bids_deeptaskgen.cohort_store.store.pack import read_row_values
from bids_deeptaskgen.cohort_store.store.row_tables import RowTables, read_rows, row_name
from bids_deeptaskgen.cohort_store.store.shard_facts import read_facts
from bids_deeptaskgen.cohort_store.store.shard_files import read_array_row
from bids_deeptaskgen.cohort_store.store.shards import (
    RowRecord,
    array_names,
    read_state,
    shards_of_task,
)
from bids_deeptaskgen.errors import abbreviate, quantity
from bids_deeptaskgen.io.atomic import stale_files
from bids_deeptaskgen.io.json_file import read_json

ALL_SHARDS = (1, 1)
# Other processes that write a shard make this one read it again, at most so many times.
_MAX_READS = 20


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


def _remedy(store: Path) -> str:
    return f"Run `deeptaskgen store pack OUTPUT_DIR {store}` again."


def _metadata_problems(store: Path, description: StoreDescription, n_rows: int) -> Iterator[StoreProblem]:
    if not n_rows:
        yield StoreProblem(str(store), "has no rows", _remedy(store))
    for name in array_names(description):
        path = store / name / ZARR_JSON
        n_array_rows = read_json(path)["shape"][0]
        if n_array_rows != n_rows:
            yield StoreProblem(
                str(path), f"has {n_array_rows} rows; the tables have {n_rows}", _remedy(store)
            )


def _shard_problems(
    store: Path, description: StoreDescription, tables: RowTables, task: tuple[int, int], *, quick: bool
) -> Iterator[StoreProblem]:
    for shard in shards_of_task(description.n_shards(len(tables)), task):
        for _ in range(_MAX_READS):
            facts = read_facts(store, description, shard)
            if facts.tables_sha256 != tables.sha256:
                tables = read_rows(store)
            problems = list(_problems_of_shard(store, description, tables, shard, quick=quick))
            # What another process writes at the same time is no damage.
            if not problems or read_facts(store, description, shard) == facts:
                break
        yield from problems


def _problems_of_shard(
    store: Path, description: StoreDescription, tables: RowTables, shard: int, *, quick: bool
) -> Iterator[StoreProblem]:
    state = read_state(store, description, tables, shard)
    if state.problem:
        yield StoreProblem(f"{store}, shard {shard}", state.problem, _remedy(store))
    rows = dict(zip(description.shard_rows(shard, len(tables)), state.rows, strict=True))
    packed_rows = {number: row for number, row in rows.items() if row.is_packed}
    for number, row in packed_rows.items():
        for reason in dict.fromkeys(row.faults.values()):
            text = " ".join(reason.split()).rstrip(".")
            yield StoreProblem(row_name(tables.rows[number]), text, _remedy(store))
    if not quick:
        yield from _content_problems(store, description, shard, tables, packed_rows)


def _content_problems(
    store: Path, description: StoreDescription, shard: int, tables: RowTables, rows: Mapping[int, RowRecord]
) -> Iterator[StoreProblem]:
    """Read the chunks of the packed rows of a shard, and compare their values with the record."""
    # One row at a time needs little memory.
    numbers = [number for number, row in rows.items() if read_row_values(store, number, row) is None]
    if numbers:
        names = array_names(description)
        unreadable = [
            name for name in names if any(read_array_row(store, name, number) is None for number in numbers)
        ]
        # Values that can be read may be those of another record.
        files = " and ".join(str(shard_path(store, name, shard)) for name in unreadable or names)
        row_names = abbreviate([row_name(tables.rows[number]) for number in numbers])
        problem = f"the values of {quantity(len(numbers), 'row')} are damaged ({row_names})"
        datasets = dict.fromkeys(tables.sources[number] for number in numbers)
        commands = " and ".join(
            f"`deeptaskgen store pack --verify {dataset} {store}`" for dataset in datasets
        )
        yield StoreProblem(files, problem, f"Run {commands}.")


def _foreign_files(store: Path, description: StoreDescription, n_rows: int) -> Iterator[StoreProblem]:
    """List temporary files of killed processes, and shards after the last row."""
    for path in stale_files(store):
        yield StoreProblem(str(path), "is the temporary file of a process that was killed", _remedy(store))
    for path in sorted(rows_folder(store).iterdir()):
        if not path.name.isdecimal() and not path.name.startswith("."):
            yield StoreProblem(str(path), "is not a table of rows", "Delete it.")
    n_shards = description.n_shards(n_rows)
    names = [
        *_numbers(store / MAPS, "c.*.0.0", 1),
        *_numbers(store / ROI_CONNECTOMES, "c.*.0.0", 1),
        *_numbers(record_path(store, 0).parent, "*.json", 0),
    ]
    for path, number in names:
        if number >= n_shards:
            problem = f"belongs to no row: the tables have {n_rows} rows, in {n_shards} shards"
            yield StoreProblem(str(path), problem, "Delete this file.")


def _numbers(folder: Path, pattern: str, part: int) -> Iterable[tuple[Path, int]]:
    for path in sorted(folder.glob(pattern)):
        number = path.name.split(".")[part]
        if number.isdigit():
            yield path, int(number)
