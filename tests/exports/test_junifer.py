"""junifer grabs the maps of a dataset, and its marker has the ROI means of nilearn."""

import re
import shlex

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiLabelsMasker

from bids_deeptaskgen.bids.output.output_mask import output_mask_path
from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.cli.workbench import main
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import write_tsv
from tests.exports.environments import run, run_program
from tests.group.dataset import BLOCK, make_dataset

REGIONS = {3: "left", 12: "right 'B'"}


def write_atlas(folder):
    """Write two regions that also cover voxels outside the block of values."""
    labels = np.zeros(OUTPUT_GRID.shape, np.int16)
    labels[38:45, 48:60, 28:38] = 3
    labels[45:52, 48:60, 28:38] = 12
    path = folder / "my atlas.nii.gz"
    save_nifti(path, labels, OUTPUT_GRID.matrix, dtype=np.int16)
    write_tsv(folder / "my atlas.tsv", {"index": list(REGIONS), "name": list(REGIONS.values())})
    return path


def write_mask(dataset):
    mask = np.zeros(OUTPUT_GRID.shape, np.uint8)
    mask[BLOCK] = 1
    path = output_mask_path(dataset, "0a1b2c3d")
    save_nifti(path, mask, OUTPUT_GRID.matrix, dtype=np.uint8)
    return path


@pytest.mark.parametrize(
    ("plan", "keys", "data_type"),
    [
        ({}, ["subject", "session", "task", "contrast"], "T1w"),
        ({"sessions": (None,), "runs": ("1", "2")}, ["subject", "task", "run", "contrast"], "T1w"),
        ({"sessions": (None,), "is_4d": True}, ["subject", "task"], "BOLD"),
    ],
)
def test_the_printed_commands_store_the_means_of_nilearn(tmp_path, capsys, plan, keys, data_type):
    dataset, out = tmp_path / "data", tmp_path / "out"
    make_dataset(dataset, n=2, has_connectomes=False, **plan)
    atlas, mask = write_atlas(tmp_path), write_mask(dataset)
    assert main(["export", "junifer", str(dataset), str(out), "--parcellation", str(atlas)]) == 0
    commands = re.findall(r"^ +(junifer .*)$", capsys.readouterr().out, re.M)
    assert [command.split()[1] for command in commands] == ["run", "collect"]
    for command in commands:
        run("junifer", shlex.split(command), tmp_path)
    result = run_program("junifer", "read_junifer.py", tmp_path, out / "pipeline.yaml")
    assert result["keys"] == keys
    assert (result["type"], result["space"], result["has_mask"]) == (data_type, "MNI152NLin6Asym", True)
    expected = expected_means(dataset, atlas, mask, keys)
    assert len(result["table"]) == len(expected)
    for row in result["table"]:
        key = tuple(row[name] for name in (*keys, *(["timepoint"] if data_type == "BOLD" else [])))
        means = [row[name] for name in REGIONS.values()]
        np.testing.assert_allclose(means, expected[key], rtol=1e-5)
    elements = {tuple(element) for element in result["elements"]}
    assert elements == {key[: len(keys)] for key in expected}


def expected_means(dataset, atlas, mask, keys):
    """Compute the means of all maps with nilearn, by element, and by volume of a 4-D image."""
    masker = NiftiLabelsMasker(atlas, mask_img=mask, resampling_target=None, standardize=None)
    means = {}
    for result in read_results(dataset):
        labels = {"subject": result.subject, "session": result.session, **dict(result.entities)}
        for number, contrast in enumerate(result.maps.contrasts):
            image = nib.load(result.statmap(dataset, contrast))
            is_4d = result.maps.layout == "4d"
            values = (
                masker.fit_transform(image)[number if is_4d else 0] if is_4d else masker.fit_transform(image)
            )
            key = tuple((labels | {"contrast": contrast})[name] for name in keys)
            means[(*key, number) if is_4d else key] = np.ravel(values)
    return means
