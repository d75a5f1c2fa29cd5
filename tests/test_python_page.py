"""docs/how-to/python.md: its table of names, its maps and its errors (tests/pages runs its code)."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import bids_deeptaskgen
from bids_deeptaskgen import (
    DataRequirements,
    InputError,
    UserError,
    load_bundle,
    load_network,
    predict,
    run_participant,
    save_statmaps,
    voxel_to_roi,
)

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "python.md"


def test_the_page_names_every_public_name():
    table = PAGE.read_text("utf-8").partition("## All public names")[2]
    assert set(re.findall(r"`(\w+)`", table)) == set(bids_deeptaskgen.__all__)


def test_the_notebook_path_is_the_command_line_path(tmp_path, participants):
    options = {"model": "embedded", "contrasts": ("wm2bk",), "min_minutes": 0.1, "min_dof": 2, "n_windows": 1}
    code = run_participant(
        participants,
        tmp_path / "out",
        participant_label=("01",),
        calibrated=False,
        nuisance_regressors="none",
        fd_threshold=0,
        dummy_scans=0,
        nprocs=1,
        **options,
    )
    assert code == 0
    (written,) = (tmp_path / "out").glob("sub-01/func/*_stat-z_*statmap.nii.gz")
    bundle = load_bundle("embedded")
    (bold,) = participants.glob("sub-01/func/*_desc-preproc_bold.nii.gz")
    (mask,) = participants.glob("sub-01/func/*_desc-brain_mask.nii.gz")
    few = DataRequirements(min_minutes=0.1, min_dof=2, n_windows=1)
    maps = predict(load_network(bundle, "cpu"), voxel_to_roi(bold, bundle, mask=mask, requirements=few))
    labels = [contrast.label for contrast in bundle.card.contrasts]
    image = nib.load(save_statmaps(tmp_path / "maps.nii.gz", maps))
    expected = nib.load(written)
    np.testing.assert_array_equal(image.affine, expected.affine)
    actual = image.get_fdata()[..., labels.index("wm2bk")]
    np.testing.assert_allclose(actual, expected.get_fdata(), atol=1e-5)
    assert np.abs(actual).max() > 0.1


def test_the_notebook_path_reads_the_sidecar_unless_a_repetition_time_is_given(tmp_path, participants):
    (source,) = participants.glob("sub-01/func/*_desc-preproc_bold.nii.gz")
    bold = tmp_path / "rest.nii.gz"
    bold.symlink_to(source)
    bold.with_name("rest.json").write_text('{"RepetitionTime": -2}')
    bundle = load_bundle("embedded")
    few = DataRequirements(min_minutes=0.1, min_dof=2, n_windows=1)
    with pytest.raises(InputError, match="RepetitionTime -2"):
        voxel_to_roi(bold, bundle, requirements=few)
    assert voxel_to_roi(bold, bundle, t_r=2.0, requirements=few).any()


def test_unknown_options_and_missing_files_are_named(tmp_path):
    with pytest.raises(UserError, match="fd_treshold"):
        run_participant(tmp_path, tmp_path / "out", fd_treshold=0.5)
    with pytest.raises(InputError, match="bold: .*absent.nii.gz"):
        voxel_to_roi(tmp_path / "absent.nii.gz", load_bundle("embedded"))
