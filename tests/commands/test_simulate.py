import logging

import nibabel as nib
import pytest

from bids_deeptaskgen.commands.simulate import run
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.settings.simulation import SimulateSettings


def test_the_command_simulates_what_its_settings_say(tmp_path, caplog):
    settings = SimulateSettings(
        out=tmp_path / "data",
        n_participants=2,
        n_volumes=10,
        t_r=0.8,
        n_runs=2,
        statmaps=False,
        dtype="int16",
    )
    with caplog.at_level(logging.INFO, logger="bids_deeptaskgen"):
        assert run(settings) == 0
    images = [nib.load(path) for path in sorted((tmp_path / "data").rglob("*_bold.nii.gz"))]
    assert len(images) == 4
    assert {image.shape for image in images} == {(91, 109, 91, 10)}
    assert {float(image.header.get_zooms()[3]) for image in images} == {
        float(images[0].header.get_zooms()[3])
    }
    assert abs(images[0].header.get_zooms()[3] - 0.8) < 1e-6
    assert [record.getMessage()[:6] for record in caplog.records][:2] == ["sub-01", "sub-02"]


def test_larger_voxels_are_points_of_the_fine_grid(tmp_path):
    assert run(SimulateSettings(tmp_path / "data", n_participants=1, n_volumes=10, voxel_size=8)) == 0
    (bold,) = (tmp_path / "data").glob("sub-01/func/*_res-8_desc-preproc_bold.nii.gz")
    image = nib.load(bold)
    assert image.shape == (23, 28, 23, 10)
    expected = OUTPUT_GRID.matrix @ [4, 4, 4, 1]
    assert (image.affine @ [1, 1, 1, 1]).tolist() == expected.tolist()
    assert {nib.load(path).shape for path in (tmp_path / "data").rglob("*_statmap.nii.gz")} == {(23, 28, 23)}


def test_the_voxel_size_divides_the_grid(tmp_path):
    with pytest.raises(UserError, match="2, 4, 6 or 8"):
        SimulateSettings(tmp_path / "data", voxel_size=3)
