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


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ("Schaefer2018_200Parcels_2mm.nii.gz", "Schaefer2018_100Parcels_2mm"),
        ("Brainnetome_dseg.nii.gz", "AAL_dseg"),
        ("AAL3v1_1mm.nii", "ROI_1mm"),
        ("atlas-A_x_dseg.nii.gz", "atlas-A_dseg"),
        ("atlas-A_dseg.nii.gz", "atlas-A_x_dseg"),
        ("seg-A_mask.nii.gz", "mask"),
        ("a.v2.nii.gz", "a"),
    ],
)
def test_a_table_of_another_atlas_in_the_folder_is_ignored_even_if_it_is_broken(tmp_path, image, other):
    (tmp_path / f"{other}.tsv").write_text("broken")
    assert find_name_table(tmp_path / image) is None
    names = {"index": [1], "name": ["one"]}
    own_table = f"{image.removesuffix('.gz').removesuffix('.nii')}.tsv"
    assert names_of(tmp_path, names, (1,), image, own_table) == ("one",)


def test_tables_that_fit_equally_well_are_refused(tmp_path):
    for name in ("dseg.tsv", "atlas-A_dseg.tsv", "desc-th25_dseg.tsv"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"atlas-A_dseg.tsv and desc-th25_dseg.tsv fit it equally well"):
        find_name_table(tmp_path / IMAGE)


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


@pytest.mark.parametrize(
    ("table", "n_volumes", "names"),
    [
        ({0: "Background", 1: "GM", 2: "WM"}, 2, ("GM", "WM")),
        ({0: "Background", 1: "GM", 2: "WM"}, 3, ("Background", "GM", "WM")),
        ({0: "GM", 1: "WM"}, 2, ("GM", "WM")),
        ({2: "WM", 1: "GM"}, 2, ("GM", "WM")),
        # Codes of labels, and tables of more or fewer regions.
        ({4: "LatVent", 10: "Thal", 2: "WM"}, 3, None),
        ({1: "GM", 2: "WM", 3: "CSF"}, 2, None),
        ({1: "GM"}, 2, None),
    ],
)
def test_only_a_table_that_counts_the_volumes_names_them(tmp_path, caplog, table, n_volumes, names):
    columns = {"index": list(table), "name": list(table.values())}
    numbers = tuple(range(1, n_volumes + 1))
    with caplog.at_level(logging.WARNING):
        found = names_of(tmp_path, columns, numbers, is_probabilistic=True)
    assert found == (names or tuple(f"volume {number}" for number in numbers))
    assert ("nothing tells which row" in caplog.text) == (names is None)


def test_a_name_that_is_missing_is_no_name(tmp_path):
    table = {"index": [1, 2, 3], "name": ["", "n/a", "NA"]}
    assert names_of(tmp_path, table, (1, 2, 3)) == ("label 1", "label 2", "NA")


def test_the_background_may_have_a_longer_name(tmp_path):
    table = {"index": [0, 1, 2], "name": ["Background+FreeSurfer_Defined_Medial_Wall", "Visual", "Limbic"]}
    assert names_of(tmp_path, table, (1, 2, 3)) == ("Visual", "Limbic", "label 3")


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
        ({"index": ["²"], "name": ["one"]}, "line 2: the index ² is not a whole number"),
    ],
)
def test_a_table_with_other_content_is_refused(tmp_path, table, problem):
    with pytest.raises(InputError, match=problem):
        names_of(tmp_path, table, (1,))


def test_a_table_without_content_is_refused_rather_than_ignored(tmp_path):
    (tmp_path / "a.tsv").symlink_to("absent.tsv")
    with pytest.raises(InputError, match="link whose target does not exist"):
        read_region_names(tmp_path / "a.nii", (1,), is_probabilistic=False)
