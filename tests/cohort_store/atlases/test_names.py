"""Regions have the names of the table beside the image, and never those of other regions."""

import logging

import pytest

from bids_deeptaskgen.cohort_store.atlases.names import find_name_table, read_region_names
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.tsv import write_tsv

IMAGE = "tpl-MNI152NLin6Asym_res-02_atlas-A_desc-th25_dseg.nii.gz"


def names_of(folder, table, numbers, image="a.nii.gz", name="a.tsv", *, is_probabilistic=False):
    write_tsv(folder / name, table)
    return read_region_names(folder / image, numbers, is_probabilistic=is_probabilistic)


def test_the_table_with_most_of_the_entities_counts(tmp_path):
    for name in (
        "dseg.tsv",
        "atlas-A_dseg.tsv",
        "atlas-B_dseg.tsv",
        "atlas-A_desc-th0_dseg.tsv",
        "atlas-A_x.tsv",
    ):
        (tmp_path / name).touch()
    assert find_name_table(tmp_path / IMAGE).name == "atlas-A_dseg.tsv"
    (tmp_path / IMAGE.replace(".nii.gz", ".tsv")).touch()
    assert find_name_table(tmp_path / IMAGE).name == IMAGE.replace(".nii.gz", ".tsv")


def test_labels_are_matched_by_number_whatever_their_order(tmp_path):
    table = {"index": [7, 0, 1], "name": ["seven", "Background", "one"]}
    assert names_of(tmp_path, table, (1, 7)) == ("one", "seven")


def test_a_table_that_counts_from_0_is_shifted_if_the_image_counts_from_1(tmp_path, caplog):
    table = {"index": [0, 1, 2], "name": ["Left Frontal Pole", "Right Frontal Pole", "Insula"]}
    assert names_of(tmp_path, table, (1, 2, 3)) == tuple(table["name"])
    # Without the last region, nothing tells whether the table is shifted.
    with caplog.at_level(logging.WARNING):
        assert names_of(tmp_path, table, (1, 2)) == ("label 1", "label 2")
    assert "they may be shifted" in caplog.text


def test_volumes_of_probabilities_have_the_names_of_labels(tmp_path):
    table = {"index": [1, 2], "name": ["one", "two"]}
    path = "atlas-A_probseg.nii.gz"
    assert names_of(tmp_path, table, (1, 2), path, "atlas-A_dseg.tsv", is_probabilistic=True) == (
        "one",
        "two",
    )


def test_the_table_of_difumo_has_columns_of_its_own(tmp_path):
    table = {"Component": [1, 2], "Difumo_names": ["Fusiform gyrus", "Cuneus"], "GM": [0.8, 0.9]}
    assert names_of(tmp_path, table, (1, 2), is_probabilistic=True) == ("Fusiform gyrus", "Cuneus")


def test_regions_without_a_name_are_numbered_and_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert names_of(tmp_path, {"index": [1], "name": ["one"]}, (1, 7)) == ("one", "label 7")
    assert "names 1 of the 2 regions" in caplog.text
    with caplog.at_level(logging.WARNING):
        assert read_region_names(tmp_path / "b.nii", (7,), is_probabilistic=False) == ("label 7",)
    assert "no table with the names of its regions (b.tsv" in caplog.text


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"number": [1], "region": ["one"]}, "no columns index and name .its columns: number, region"),
        ({"index": [1, 1], "name": ["one", "two"]}, "line 3: the index 1 occurs twice"),
        ({"index": ["1.5"], "name": ["one"]}, "line 2: the index 1.5 is not a whole number"),
    ],
)
def test_a_table_with_other_content_is_refused(tmp_path, table, problem):
    with pytest.raises(InputError, match=problem):
        names_of(tmp_path, table, (1,))


def test_a_table_without_content_is_refused_rather_than_ignored(tmp_path):
    (tmp_path / "a.tsv").symlink_to("absent.tsv")
    with pytest.raises(InputError, match="link whose target does not exist"):
        read_region_names(tmp_path / "a.nii", (1,), is_probabilistic=False)
