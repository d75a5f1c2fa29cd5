"""Definitions for junifer: their patterns match the maps of the dataset and nothing else."""

import ast
import re

import nibabel as nib
import numpy as np
import pytest
import yaml

from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.cohort_store.exports.junifer_definition import make_definitions
from bids_deeptaskgen.cohort_store.exports.junifer_files import check_folder, write_definitions
from bids_deeptaskgen.cohort_store.exports.junifer_parcellation import (
    Parcellation,
    choose_parcellation,
    module_text,
)
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from tests.group.dataset import make_dataset


def grabbed(folder, definition):
    """List the elements whose files match the pattern of a definition."""
    names = dict.fromkeys(definition.keys)
    expression = re.escape(definition.pattern)
    for name in names:
        expression = expression.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>.*)", 1)
        expression = expression.replace(re.escape(f"{{{name}}}"), f"(?P={name})")
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    matches = filter(None, (re.fullmatch(expression, path) for path in paths))
    return sorted(tuple(match[name] for name in definition.keys) for match in matches)


@pytest.mark.parametrize(
    ("plan", "keys"),
    [
        ({}, ("subject", "session", "task", "contrast")),
        ({"sessions": (None,)}, ("subject", "task", "contrast")),
        ({"sessions": (None,), "runs": ("1", "2")}, ("subject", "task", "run", "contrast")),
        ({"is_4d": True}, ("subject", "session", "task")),
    ],
)
def test_the_pattern_matches_the_maps_of_the_elements(tmp_path, plan, keys):
    make_dataset(tmp_path, n=2, has_connectomes=False, **plan)
    (definition,) = make_definitions(read_results(tmp_path))
    assert definition.name == "pipeline"
    assert definition.keys == keys
    assert grabbed(tmp_path, definition) == sorted(definition.elements)
    assert all((tmp_path / definition.pattern.format(**dict(zip(keys, each, strict=True)))).is_file()
               for each in definition.elements)  # fmt: skip


def test_participants_with_and_without_sessions_have_definitions_of_their_own(tmp_path):
    make_dataset(tmp_path, n=1, has_connectomes=False)
    results = read_results(tmp_path)
    make_dataset(tmp_path / "b", n=1, sessions=(None,), has_connectomes=False)
    definitions = make_definitions([*results, *read_results(tmp_path / "b")])
    assert [definition.name for definition in definitions] == [
        "pipeline_3d_subject_session_task",
        "pipeline_3d_subject_task",
    ]


def test_contrasts_are_chosen_for_3d_images_alone(tmp_path):
    make_dataset(tmp_path / "a", n=1, has_connectomes=False)
    (definition,) = make_definitions(read_results(tmp_path / "a"), ["motorLh"])
    assert {element[-1] for element in definition.elements} == {"motorLh"}
    make_dataset(tmp_path / "b", n=1, is_4d=True, has_connectomes=False)
    with pytest.raises(InputError, match="--map-format 3d"):
        make_definitions(read_results(tmp_path / "b"), ["motorLh"])


def test_4d_images_of_different_contrasts_are_refused(tmp_path):
    make_dataset(tmp_path / "a", n=1, is_4d=True, has_connectomes=False)
    make_dataset(tmp_path / "b", n=1, is_4d=True, contrasts=("motorLh",), has_connectomes=False)
    with pytest.raises(InputError, match="different contrasts"):
        make_definitions([*read_results(tmp_path / "a"), *read_results(tmp_path / "b")])


@pytest.mark.parametrize(("is_4d", "data_type"), [(False, "T1w"), (True, "BOLD")])
def test_the_pipeline_has_space_mask_and_task(tmp_path, is_4d, data_type):
    make_dataset(tmp_path / "data", n=2, is_4d=is_4d, has_connectomes=False)
    definitions = make_definitions(read_results(tmp_path / "data"))
    files = write_definitions(
        tmp_path / "out", tmp_path / "data", definitions, "mask.nii.gz", Parcellation("Schaefer100x7")
    )
    (pipeline, elements) = files[0]
    content = yaml.safe_load(pipeline.read_text("utf-8"))
    image = content["datagrabber"]["patterns"][data_type]
    assert image["space"] == image["mask"]["space"] == "MNI152NLin6Asym"
    assert content["datagrabber"]["replacements"]["task"] == ["rest"]
    assert content["markers"][0]["on"] == data_type
    assert content["markers"][0]["masks"] == "inherit"
    assert "with" not in content
    lines = elements.read_text("utf-8").splitlines()
    assert [tuple(line.split(",")) for line in lines] == list(definitions[0].elements)
    if is_4d:
        rows = read_tsv(tmp_path / "out" / "pipeline_volumes.tsv")
        assert [row["contrast"] for row in rows] == ["wm2bk", "motorLh"]


def write_labels(path, values=(0, 3, 12), names=None):
    volume = np.zeros(OUTPUT_GRID.shape, np.float32)
    volume.flat[: len(values)] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, OUTPUT_GRID.matrix), path)
    if names:
        table = path.with_name(path.name.removesuffix(".nii.gz") + ".tsv")
        write_tsv(table, {"index": list(names), "name": list(names.values())})
    return path


def test_the_module_registers_the_labels_of_the_image_in_the_order_of_their_values(tmp_path):
    path = write_labels(tmp_path / "my atlas.nii.gz", names={12: "right 'B'", 3: "left", 40: "none"})
    parcellation = choose_parcellation(tmp_path, str(path))
    assert parcellation == Parcellation("my_atlas", path, ("left", "right 'B'"))
    calls = [node for node in ast.walk(ast.parse(module_text(parcellation))) if isinstance(node, ast.List)]
    assert ast.literal_eval(calls[0]) == ["left", "right 'B'"]
    assert choose_parcellation(tmp_path, str(write_labels(tmp_path / "x.nii.gz"))).labels == (
        "label 3", "label 12",
    )  # fmt: skip


def test_the_parcels_of_the_model_are_the_default_and_a_parcellation_of_junifer_the_fallback(tmp_path):
    assert choose_parcellation(tmp_path, None) == Parcellation("Schaefer100x7")
    assert choose_parcellation(tmp_path, "Tian1x3TxMNInonlinear2009cAsym").module is None
    name = "space-MNI152NLin6Asym_seg-0a1b_res-2_desc-rois_dseg"
    write_labels(tmp_path / f"{name}.nii.gz", names={3: "ROI3", 12: "ROI12"})
    parcellation = choose_parcellation(tmp_path, None)
    assert (parcellation.name, parcellation.labels) == ("ROIs0a1b", ("ROI3", "ROI12"))


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("x.nii.gz", (0, 0.5), r"values that are not labels.*\n"),
        ("x.nii.gz", (0, -1), r"has the label -1.*\n"),
        ("x.nii.gz", (0, 0), r"has no labels.*\n"),
        ("x.nii.gz", [3] * int(np.prod(OUTPUT_GRID.shape)), r"has no background.*\n"),
        ("x_probseg.nii.gz", (0, 1), r"not one volume of labels.*\nGive `parcellation` an image"),
        ("x_space-MNI152NLin2009cAsym.nii.gz", (0, 3), r"but the maps are in MNI152NLin6Asym"),
    ],
)
def test_images_that_are_refused_as_atlases_are_refused(tmp_path, name, values, problem):
    path = write_labels(tmp_path / name, values)
    with pytest.raises(InputError, match=problem):
        choose_parcellation(tmp_path, str(path))


def test_the_home_folder_of_an_unknown_user_is_refused(tmp_path):
    with pytest.raises(UserError, match="`parcellation`: ~no_such_user/x.nii.gz begins with the home folder"):
        choose_parcellation(tmp_path, "~no_such_user/x.nii.gz")


def test_a_file_that_is_no_image_is_no_result_of_preprocessing(tmp_path):
    path = tmp_path / "x.nii.gz"
    for content in (b"hello", b""):
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            choose_parcellation(tmp_path, str(path))
        assert "preprocessing" not in str(error.value)


def test_names_are_matched_and_inherited_as_those_of_atlases(tmp_path, caplog):
    path = write_labels(tmp_path / "counts.nii.gz", (0, 1, 2), names={0: "A", 1: "B", 2: "C"})
    assert choose_parcellation(tmp_path, str(path)).labels == ("label 1", "label 2")
    assert "may be shifted" in caplog.text
    path = write_labels(tmp_path / "space-MNI152NLin6Asym_seg-A_res-2_dseg.nii.gz", (0, 1))
    write_tsv(tmp_path / "seg-A_dseg.tsv", {"index": [1], "name": ["inherited"]})
    assert choose_parcellation(tmp_path, str(path)).labels == ("inherited",)
    write_tsv(tmp_path / "seg-A_dseg.tsv", {"index": ["x"], "name": ["inherited"]})
    with pytest.raises(InputError, match="the index x is not a whole number"):
        choose_parcellation(tmp_path, str(path))


def test_a_pipeline_is_replaced_only_on_request(tmp_path):
    check_folder(tmp_path, overwrite=False)
    (tmp_path / "pipeline.yaml").touch()
    check_folder(tmp_path, overwrite=True)
    with pytest.raises(UserError, match="has a pipeline"):
        check_folder(tmp_path, overwrite=False)


def test_no_file_of_an_earlier_export_stays(tmp_path):
    make_dataset(tmp_path / "data", n=1, has_connectomes=False)
    results, out = read_results(tmp_path / "data"), tmp_path / "out"
    make_dataset(tmp_path / "b", n=1, sessions=(None,), is_4d=True, has_connectomes=False)
    parcellation = Parcellation("x", tmp_path / "x.nii.gz", ("one",))
    several_definitions = make_definitions([*results, *read_results(tmp_path / "b")])
    write_definitions(out, tmp_path / "data", several_definitions, None, parcellation)
    assert len(list(out.iterdir())) == 6
    (out / "pipeline.hdf5").touch()
    write_definitions(out, tmp_path / "data", make_definitions(results), None, Parcellation("Schaefer100x7"))
    assert sorted(path.name for path in out.iterdir()) == [
        "pipeline.hdf5",
        "pipeline.yaml",
        "pipeline_elements.csv",
    ]
