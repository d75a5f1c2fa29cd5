"""Series in another MNI152 template are warped on request, and that is said loudly."""

import json
import os
import subprocess
import sys

import h5py
import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.connectome.template_warp import MODEL_SPACE, TRANSFORM
from tests.workflow.other_template import SHIFT_MM, write_shifted, write_transform


@pytest.fixture
def templates(tmp_path):
    """Create a home of TemplateFlow with the transform."""
    write_transform(tmp_path / "templateflow" / f"tpl-{MODEL_SPACE}" / TRANSFORM, SHIFT_MM)
    return tmp_path / "templateflow"


@pytest.fixture
def shifted(simulated, tmp_path):
    """Write the simulated participants in the space of the other template only."""
    return write_shifted(simulated, tmp_path / "fmriprep", "01")


def test_the_composite_is_applied_as_itk_applies_it(tmp_path):
    # The last one of a composite comes first: the field, then the affine about its centre.
    rng = np.random.default_rng(0)
    matrix, shift, centre = np.eye(3) + rng.normal(0, 0.1, (3, 3)), rng.normal(0, 5, 3), rng.normal(0, 10, 3)
    slope, offset = rng.normal(0, 0.05, (3, 3)), rng.normal(0, 3, 3)
    path = write_transform(tmp_path / f"tpl-{MODEL_SPACE}" / TRANSFORM, np.zeros(3))
    with h5py.File(path, "a") as file:
        group = file["TransformGroup"]
        group["1/TransformParameters"][:] = np.r_[matrix.ravel(), shift]
        group["1/TransformFixedParameters"][:] = centre
        shape, origin, spacing = np.reshape(group["2/TransformFixedParameters"][:9], (3, 3))
        places = np.indices(shape.astype(int)).transpose(3, 2, 1, 0).reshape(-1, 3) * spacing + origin
        group["2/TransformParameters"][:] = (places @ slope.T + offset).ravel()
    points = rng.uniform(-30, 30, (500, 3))
    np.save(tmp_path / "points.npy", points)
    code = (
        "import numpy as np; from bids_deeptaskgen.connectome.template_warp import to_warped_space as f; "
        "np.save('mapped.npy', f(np.load('points.npy')))"
    )
    environment = os.environ | {"TEMPLATEFLOW_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    to_lps = np.array([-1.0, -1.0, 1.0])
    moved = points * to_lps
    moved = moved + moved @ slope.T + offset
    expected = ((moved - centre) @ matrix.T + centre + shift) * to_lps
    # Far from the edge of the field, beyond which its splines know nothing.
    assert np.abs(np.load(tmp_path / "mapped.npy") - expected).max() < 0.1


def run(dataset, output, model, templates, *options):
    command = [sys.executable, "-m", "bids_deeptaskgen", dataset, output, "participant", "--model", model]
    given = (*command, "--nprocs", "1", "--min-minutes", "1", "--min-dof", "5", *options)
    given += ("--participant-label", "01")
    environment = os.environ | {"TEMPLATEFLOW_HOME": str(templates), "https_proxy": "http://127.0.0.1:9"}
    end_code = subprocess.run(
        [str(word) for word in given], env=environment, capture_output=True, text=True, check=False
    )
    return end_code.returncode, end_code.stdout + end_code.stderr


def maps_of(output):
    paths = sorted(output.glob("sub-01/func/*_desc-predicted_statmap.nii.gz"))
    return np.stack([nib.load(path).get_fdata(dtype=np.float32) for path in paths])


def test_a_series_of_the_other_template_gives_the_maps_of_the_same_places(
    simulated, shifted, model, templates, tmp_path
):
    assert run(simulated, tmp_path / "plain", model, templates)[0] == 0
    code, output_text = run(shifted, tmp_path / "warped", model, templates, "--allow-template-warp")
    assert code == 0, output_text
    assert "1 of 1 have series in MNI152NLin2009cAsym only (sub-01); they are warped with" in output_text
    plain, warped = maps_of(tmp_path / "plain"), maps_of(tmp_path / "warped")
    # The same places, but for rounding in float32, which decides at the rim of the mask of 8 mm voxels.
    assert np.abs(warped - plain).max() < 0.023 * plain[plain != 0].std()
    assert np.corrcoef(warped.ravel(), plain.ravel())[0, 1] > 0.9999
    for path in (tmp_path / "warped").glob("sub-01/func/*_desc-predicted_statmap.json"):
        sidecar = json.loads(path.read_text("utf-8"))
        assert (
            "WARPED BETWEEN TEMPLATES: the series was in MNI152NLin2009cAsym only" in sidecar["Description"]
        )
        assert sidecar["DeepTaskGen"]["Runs"][0]["warped_with"] == TRANSFORM
        assert sidecar["DeepTaskGen"]["Settings"]["allow_template_warp"]
    assert "WARPED" not in next((tmp_path / "plain").glob("sub-01/func/*_statmap.json")).read_text("utf-8")


def test_without_opting_in_it_is_refused_with_the_command_that_helps(shifted, model, templates, tmp_path):
    code, output_text = run(shifted, tmp_path / "out", model, templates)
    assert code == 3
    assert "spaces found: MNI152NLin2009cAsym" in output_text
    assert (
        f"fmriprep BIDS_DIR {shifted} participant --task-id rest --output-spaces MNI152NLin6Asym:res-2"
        in output_text
    )
    assert "or accept less exact maps with --allow-template-warp" in output_text


def test_a_transform_that_cannot_be_had_ends_the_run_first(shifted, model, tmp_path):
    code, output_text = run(shifted, tmp_path / "out", model, tmp_path / "nothing", "--allow-template-warp")
    assert code == 2
    assert f"needs TemplateFlow's {TRANSFORM}, which is not available" in output_text
    assert f"copy it to $TEMPLATEFLOW_HOME/tpl-{MODEL_SPACE}/ here" in output_text
    assert not list(tmp_path.glob("out/sub-*"))


def test_a_damaged_transform_is_reported(shifted, model, templates, tmp_path):
    (templates / f"tpl-{MODEL_SPACE}" / TRANSFORM).write_bytes(b"no HDF5")
    code, output_text = run(shifted, tmp_path / "out", model, templates, "--allow-template-warp")
    assert code == 3
    assert f"{TRANSFORM}: cannot be read as a transform" in output_text


def test_series_in_the_models_space_are_never_warped(simulated, model, tmp_path):
    code, output_text = run(simulated, tmp_path / "out", model, tmp_path / "nothing", "--allow-template-warp")
    assert code == 0, output_text
    assert "warped with" not in output_text
