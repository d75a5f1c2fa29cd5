"""Temporary folders that other programs delete are not taken for complete ones."""

import shutil

import pytest

from bids_deeptaskgen.bids.output.result_files import replace_files, work_folder
from bids_deeptaskgen.cohort_store.store.layout import create_folder, fill_folder
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import write_text
from bids_deeptaskgen.io.marked_folder import mark_folder

DELETED = r"this work folder was deleted during the run.\nStart again"


def test_a_folder_that_is_deleted_before_it_is_marked_is_named(tmp_path):
    with pytest.raises(UserError, match=DELETED), mark_folder(tmp_path / "deleted"):
        pass


@pytest.mark.parametrize("is_written_again", [True, False])
def test_results_from_a_folder_that_was_deleted_replace_no_earlier_results(tmp_path, is_written_again):
    earlier = tmp_path / "evaluation.html"
    earlier.write_text("earlier")

    def delete():
        with work_folder(tmp_path, "evaluation") as folder:
            write_text(folder / "results" / "first.tsv", "1")
            shutil.rmtree(folder)
            if is_written_again:
                write_text(folder / "results" / "evaluation.html", "later")
            replace_files(folder / "results", tmp_path, "evaluation", ["evaluation.html"])

    with pytest.raises(UserError, match=DELETED):
        delete()
    assert [path.name for path in tmp_path.iterdir()] == [earlier.name]
    assert earlier.read_text() == "earlier"


def test_results_of_a_complete_folder_are_moved_without_its_mark(tmp_path):
    with work_folder(tmp_path, "evaluation") as folder:
        write_text(folder / "results" / "figures" / "first.svg", "1")
        replace_files(folder / "results", tmp_path, "evaluation")
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert names == ["figures", "figures/first.svg"]


@pytest.mark.parametrize("write", [create_folder, fill_folder])
@pytest.mark.parametrize("is_written_again", [True, False])
def test_a_store_whose_folder_was_deleted_is_not_created(tmp_path, write, is_written_again):
    store = tmp_path / "store"
    if write is fill_folder:
        store.mkdir()

    def fill(folder):
        write_text(folder / "maps" / "first", "1")
        shutil.rmtree(folder)
        if is_written_again:
            write_text(folder / "tables" / "second", "2")
        else:
            (folder / "tables").mkdir()

    with pytest.raises(UserError, match=DELETED):
        write(store, fill)
    assert list(tmp_path.rglob("*")) == ([store] if write is fill_folder else [])
