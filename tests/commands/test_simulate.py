import logging

import nibabel as nib

from bids_deeptaskgen.commands.simulate import run
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
