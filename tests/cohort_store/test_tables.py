"""Tidy tables: TSV and Parquet have the same values, and appear complete or not at all."""

import numpy as np
import pandas as pd
import pytest
from pyarrow.parquet import ParquetFile

from bids_deeptaskgen.cohort_store import tables
from bids_deeptaskgen.cohort_store.tables import TidyTable, parquet_path
from bids_deeptaskgen.io.tsv import read_tsv

COLUMNS = {"participant_id": "text", "region": "text", "index": "integer", "mean": "number"}


def write_table(path, batches):
    with TidyTable(path, COLUMNS) as table:
        for batch in batches:
            table.write(batch)
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False), pd.read_parquet(parquet_path(path))


def batch_of(values, participant="sub-01", regions=None):
    n = len(values)
    regions = regions or [f"region {i}" for i in range(n)]
    return {"participant_id": participant, "region": regions, "index": np.arange(n), "mean": values}


def test_both_files_have_the_same_numbers(tmp_path):
    values = np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-30, 20, 0.1)
    text, binary = write_table(tmp_path / "t.tsv", [batch_of(values)])
    assert np.array_equal(text["mean"].astype(np.float32), binary["mean"])
    assert np.array_equal(binary["mean"], values.astype(np.float32))


def test_missing_values_are_words_in_the_text_and_null_in_parquet(tmp_path):
    batch = batch_of([np.nan, 1.0], participant=None, regions=["a", None])
    text, binary = write_table(tmp_path / "t.tsv", [batch | {"index": [None, 3]}])
    assert text.to_numpy().tolist() == [["n/a", "a", "n/a", "n/a"], ["n/a", "n/a", "3", "1"]]
    assert binary.isna().to_numpy().tolist() == [[True, False, True, True], [True, True, False, False]]


def test_cells_with_tabs_line_ends_and_quotes_stay_in_their_cell(tmp_path):
    regions = ["tab\tline\nend", '"quoted" name', "Schläfenlappen", "5'"]
    text, binary = write_table(tmp_path / "t.tsv", [batch_of(np.zeros(4), regions=regions)])
    expected = ["tab line end", *regions[1:]]
    assert list(text["region"]) == list(binary["region"]) == expected
    assert [row["region"] for row in read_tsv(tmp_path / "t.tsv")] == expected


def test_row_groups_join_batches_until_they_are_large_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 10)
    batches = [batch_of(np.full(4, i), participant=f"sub-{i}") for i in range(7)]
    text, binary = write_table(tmp_path / "t.tsv", batches)
    metadata = ParquetFile(tmp_path / "t.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [12, 12, 4]
    assert (
        list(text["participant_id"]) == list(binary["participant_id"]) == [f"sub-{i // 4}" for i in range(28)]
    )


def test_a_table_without_rows_has_its_columns(tmp_path):
    text, binary = write_table(tmp_path / "t.tsv", [])
    assert list(text.columns) == list(binary.columns) == list(COLUMNS)
    assert len(text) == len(binary) == 0


def test_an_error_leaves_no_file_and_not_even_a_temporary_one(tmp_path):
    def batches():
        yield batch_of([1.0])
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write_table(tmp_path / "t.tsv", batches())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "batch", [{"mean": [1.0]}, batch_of([1.0, 2.0], regions=["a"]), batch_of([1.0]) | {"other": [1]}]
)
def test_rows_without_exactly_the_columns_are_refused(tmp_path, batch):
    with pytest.raises(ValueError, match="columns"), TidyTable(tmp_path / "t.tsv", COLUMNS) as table:
        table.write(batch)
