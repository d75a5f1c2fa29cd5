"""Files of a table for PCNtoolkit: table, variables, exclusions, and the script that loads the table."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv

from bids_deeptaskgen.cohort_store.exports.normative_table import (
    SESSION_COLUMN,
    SUBJECT_COLUMN,
    NormativeTable,
)
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import atomic_path, remove_stale_siblings, write_text
from bids_deeptaskgen.io.tsv import write_tsv

# Rows that are converted at a time, so that the text of the whole table is never in memory.
_N_ROWS = 256


class NormativeFiles(NamedTuple):
    """Paths of the files."""

    table: Path
    variables: Path
    exclusions: Path
    script: Path


def normative_files(out: Path, *, overwrite: bool) -> NormativeFiles:
    """Return the paths of the files, and refuse to replace files.

    Parameters
    ----------
    out : Path
        Path of the table.
    overwrite : bool

    Returns
    -------
    NormativeFiles

    Raises
    ------
    UserError
        If `out` is no CSV, or a file exists and is not to be replaced.
    """
    if out.suffix != ".csv":
        message = f"`out` {out}: is not a CSV file. Choose a name that ends in .csv."
        raise UserError(message)
    names = (f"{out.stem}_variables.tsv", f"{out.stem}_excluded.tsv", f"{out.stem}_load.py")
    files = NormativeFiles(out, *(out.with_name(name) for name in names))
    existing_file = next((path for path in files if path.exists()), None)
    if existing_file and not overwrite:
        message = f"{existing_file}: exists. Choose another `out`, or replace it with `overwrite`."
        raise UserError(message)
    return files


def write_normative_table(files: NormativeFiles, table: NormativeTable) -> str:
    """Write the files.

    Parameters
    ----------
    files : NormativeFiles
    table : NormativeTable

    Returns
    -------
    str
        The script that loads the table.
    """
    for path in files:
        remove_stale_siblings(path)
    _write_csv(files.table, table)
    left_out = dict(table.variables_left_out)
    variables = [*table.variables, *left_out]
    write_tsv(
        files.variables,
        {
            "variable": [*table.names, *(None for _ in left_out)],
            "contrast": [variable.contrast for variable in variables],
            "index": [variable.index for variable in variables],
            "name": [variable.region for variable in variables],
            "left_out": [left_out.get(variable) for variable in variables],
        },
    )
    write_tsv(
        files.exclusions,
        {
            SUBJECT_COLUMN: [exclusion.observation.participant_id for exclusion in table.exclusions],
            SESSION_COLUMN: [
                " ".join(session for session in exclusion.observation.sessions if session) or None
                for exclusion in table.exclusions
            ],
            "reason": [exclusion.reason for exclusion in table.exclusions],
        },
    )
    script = _script(files, table)
    write_text(files.script, script)
    return script


def _label_columns(table: NormativeTable) -> dict[str, list[str]]:
    """Return the columns of text: participants, sessions, and batch effects."""
    columns = {SUBJECT_COLUMN: [observation.participant_id for observation in table.observations]}
    if table.has_sessions:
        columns[SESSION_COLUMN] = [observation.sessions[0] or "" for observation in table.observations]
    return columns | table.batch_effects


def _write_csv(path: Path, table: NormativeTable) -> None:
    texts = _label_columns(table)
    fields = [pa.field(name, pa.string()) for name in texts]
    fields += [pa.field(name, pa.float64()) for name in table.covariates]
    fields += [pa.field(name, pa.float32()) for name in table.names]
    schema = pa.schema(fields)
    with atomic_path(path) as temporary, pa_csv.CSVWriter(temporary, schema) as writer:
        for start in range(0, len(table.observations), _N_ROWS):
            rows = slice(start, start + _N_ROWS)
            arrays = [pa.array(cells[rows], pa.string()) for cells in texts.values()]
            arrays += [pa.array(numbers[rows]) for numbers in table.covariates.values()]
            arrays += [pa.array(column) for column in table.values[rows].T.copy()]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _script(files: NormativeFiles, table: NormativeTable) -> str:
    texts = list(_label_columns(table))
    n_columns = len(texts) + len(table.covariates)
    folder = "pathlib.Path(__file__)"
    return f'''"""Load {files.table.name} into PCNtoolkit (1.2 or newer)."""

import pathlib

import pandas
from pcntoolkit import NormData

# Text stays text: a site 01 does not become the number 1.
table = pandas.read_csv(
    {folder}.with_name({files.table.name!r}),
    dtype=dict.fromkeys({texts!r}, str),
    keep_default_na=False,
)
data = NormData.from_dataframe(
    name={files.table.stem!r},
    dataframe=table,
    covariates={list(table.covariates)!r},
    batch_effects={list(table.batch_effects) or None!r},
    response_vars=list(table.columns[{n_columns}:]),
    subject_ids={SUBJECT_COLUMN!r},
)
'''
