"""Laws of the tables of rows: rows keep their order, and have the cells that were packed last."""

import pytest

from bids_deeptaskgen.cohort_store.store import row_tables
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.reader import open_store
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows, read_rows
from tests.cohort_store.store.outputs import description, row_table


@pytest.fixture
def folder(tmp_path):
    create_store(tmp_path / "store", description())
    return tmp_path / "store"


def test_a_row_keeps_its_place_and_has_its_last_cells(folder):
    add_rows(folder, row_table(3), "/first")
    changed = [row_table(1, first=2)[0] | {"age": 99, "site": "B"}, row_table(1, first=9)[0]]
    tables = add_rows(folder, changed, "/first")
    assert [row["participant_id"] for row in tables.rows] == ["sub-01", "sub-02", "sub-03", "sub-09"]
    assert [row["age"] for row in tables.rows] == ["21", "99", "23", "29"]
    assert tables.rows[1]["site"] == "B"
    assert tables.n_tables == 2


@pytest.mark.parametrize("cell", ['"quoted"', " padded ", 1 / 3, None, float("nan"), "n/a", "", True])
def test_equal_rows_add_no_table(folder, cell):
    rows = [row | {"cell": cell} for row in row_table(2)]
    assert add_rows(folder, rows, "/out").n_tables == 1
    assert add_rows(folder, rows[:1], "/out").n_tables == 1


def test_a_table_that_another_process_adds_meanwhile_comes_first(folder, monkeypatch):
    create_folder = row_tables.create_folder

    def create_late(*arguments):
        monkeypatch.undo()
        add_rows(folder, row_table(2), "/out")
        return create_folder(*arguments)

    monkeypatch.setattr(row_tables, "create_folder", create_late)
    tables = add_rows(folder, row_table(3), "/out")
    assert [row["participant_id"] for row in tables.rows] == ["sub-01", "sub-02", "sub-03"]
    assert (tables.n_tables, tables.sha256) == (2, read_rows(folder).sha256)


def test_a_table_without_sessions_has_their_columns_all_the_same(folder):
    add_rows(folder, [{"participant_id": "sub-01", "age": 30}], "/out")
    table = open_store(folder, allow_incomplete=True).participants
    assert list(table.columns) == ["participant_id", "session_id", "run", "age"]
    assert table["session_id"].isna().all()
