"""Laws of the maps of a dataset or a table of paths as features."""

import logging

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features.measured_maps import open_measured_maps
from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import MODEL_GRID, OUTPUT_GRID, model_to_output
from bids_deeptaskgen.io import work_array
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import join_columns, write_tsv
from tests.biomarkers.features.stores import products, source_of

MASK = np.zeros(MODEL_GRID.shape, bool)
MASK[30:33, 40:44, 20:22] = True
N_VOXELS = int(MASK.sum())
CONTRASTS = ("wm2bk", "motorLf")
SPACE = "space-MNI152NLin6Asym"


def draw(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, N_VOXELS)).astype(np.float32)


def write_map(root, label, contrast, values, session=None):
    """Write a map on the output grid, with values in the mask and 0 elsewhere."""
    volume = np.zeros(MODEL_GRID.shape, np.float32)
    volume[MASK] = values
    names = f"sub-{label}" + (f"_ses-{session}" if session else "")
    folder = root / f"sub-{label}" / (f"ses-{session}" if session else "") / "func"
    path = folder / f"{names}_{SPACE}_contrast-{contrast}_stat-z_statmap.nii.gz"
    save_nifti(path, model_to_output(volume), OUTPUT_GRID.matrix)
    return path


def write_dataset(root, maps, contrasts=CONTRASTS, session=None):
    """Write maps of shape (n_participants, n_contrasts, n_voxels)."""
    for number, rows in enumerate(maps, 1):
        for contrast, values in zip(contrasts, rows, strict=True):
            write_map(root, f"{number:02d}", contrast, values, session)
    return root


def open_maps(path, *parts, tmp_path=None, max_bytes=10**9, **selection):
    return open_measured_maps(
        source_of(path, *parts), Selection(**selection), path / "work", mask=MASK, max_bytes=max_bytes
    )


def read(reader, labels=None):
    return reader.read(labels or reader.participants).kernel


@pytest.fixture(scope="module")
def maps():
    return draw(5 * 2).reshape(5, 2, N_VOXELS)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, maps):
    return write_dataset(tmp_path_factory.mktemp("measured"), maps)


@pytest.mark.parametrize("max_bytes", [1, 10**9])
def test_a_kernel_is_that_of_the_maps_of_a_contrast(dataset, maps, max_bytes):
    reader = open_maps(dataset, "motorLf", max_bytes=max_bytes)
    kernel, scale = products(maps[:, 1])
    features = reader.read(reader.participants)
    np.testing.assert_allclose(features.kernel, kernel / scale, atol=1e-5)
    assert features.scale == pytest.approx(scale, rel=1e-5)
    assert features.n_features == N_VOXELS
    # Reading does not change the maps.
    np.testing.assert_array_equal(read(reader), features.kernel)


def test_all_contrasts_are_summed_and_participants_are_in_the_requested_order(dataset, maps):
    reader = open_maps(dataset)
    pairs = [products(maps[[4, 0, 2], contrast]) for contrast in range(2)]
    np.testing.assert_allclose(
        read(reader, ["05", "01", "03"]), sum(kernel / scale for kernel, scale in pairs), atol=1e-5
    )


def test_maps_are_predicted_if_their_names_say_so(dataset, tmp_path):
    assert not open_maps(dataset).is_predicted
    for path in dataset.rglob("*_statmap.nii.gz"):
        target = tmp_path / path.relative_to(dataset)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(path.name.replace("_statmap", "_desc-predicted_statmap")).symlink_to(path)
    assert open_maps(tmp_path).is_predicted


def test_large_maps_lie_in_a_file_that_disappears(dataset, monkeypatch):
    expected = read(open_maps(dataset))
    monkeypatch.setattr(work_array, "_IN_MEMORY_BYTES", 0)
    reader = open_maps(dataset)
    assert isinstance(reader.maps, np.memmap)
    assert not list((dataset / "work").iterdir())
    np.testing.assert_array_equal(read(reader), expected)


def test_sessions_are_averaged_before_products(tmp_path, maps):
    others = draw(5 * 2, seed=1).reshape(maps.shape)
    write_dataset(write_dataset(tmp_path, maps, session="1"), others, session="2")
    reader = open_maps(tmp_path, "wm2bk")
    kernel, scale = products((maps[:, 0] + others[:, 0]) / 2)
    np.testing.assert_allclose(read(reader), kernel / scale, atol=1e-5)
    assert "5 participants of 5 have several sessions" in reader.notes[0]
    kernel, scale = products(others[:, 0])
    second = open_maps(tmp_path, "wm2bk", session="02")
    np.testing.assert_allclose(read(second), kernel / scale, atol=1e-5)
    assert not second.notes


def test_a_session_does_not_matter_to_maps_without_sessions(dataset):
    reader = open_maps(dataset, session="2")
    assert len(reader.participants) == 5
    assert "has no sessions" in reader.notes[0]


def test_zeros_are_voxels_without_value(tmp_path, maps):
    values = maps.copy()
    values[1, 0, :3] = 0
    values[2, 0, 4] = np.nan
    expected = values.copy()
    expected[1, 0, :3] = np.nan
    kernel, scale = products(expected[:, 0])
    reader = open_maps(write_dataset(tmp_path, values), "wm2bk")
    np.testing.assert_allclose(read(reader), kernel / scale, atol=1e-5)


def test_participants_without_usable_maps_are_left_out_with_the_reason(tmp_path, maps, caplog):
    write_dataset(tmp_path, maps)
    next((tmp_path / "sub-02").rglob("*motorLf*.nii.gz")).unlink()
    write_map(tmp_path, "04", "wm2bk", np.zeros(N_VOXELS))
    with caplog.at_level(logging.WARNING):
        reader = open_maps(tmp_path)
    assert reader.reasons == {
        "02": "no map of motorLf",
        "04": "the map of wm2bk cannot be used (see the log)",
    }
    assert "is 0 or NaN in all of the model's voxels" in caplog.text
    pairs = [products(maps[[0, 2, 4], contrast]) for contrast in range(2)]
    np.testing.assert_allclose(read(reader), sum(kernel / scale for kernel, scale in pairs), atol=1e-5)


def test_a_table_of_paths_may_spell_labels_in_another_way(dataset, tmp_path, maps):
    rows = [
        {"participant_id": number, "contrast": "wm2bk", "path": path}
        for number in range(1, 6)
        for path in (dataset / f"sub-{number:02d}").rglob("*wm2bk*.nii.gz")
    ]
    write_tsv(tmp_path / "maps.tsv", join_columns(rows))
    reader = open_measured_maps(
        source_of(tmp_path / "maps.tsv"), Selection(("01", "04", "005")), tmp_path, mask=MASK
    )
    assert reader.participants == ("1", "4", "5")
    kernel, scale = products(maps[[0, 3, 4], 0])
    np.testing.assert_allclose(read(reader), kernel / scale, atol=1e-5)


def test_a_published_name_and_a_label_name_the_same_contrast(dataset):
    assert open_maps(dataset, "WM2BK").contrasts == ("wm2bk",)
    with pytest.raises(InputError, match="of other contrasts"):
        open_maps(dataset, "faces")


def test_a_contrast_without_maps_is_refused(dataset):
    with pytest.raises(
        InputError, match=r"no participant .* has features \(sub-01: no map of languageMath\)"
    ):
        open_maps(dataset, "wm2bk", "languageMath")
    with pytest.raises(UserError, match="leave none of them"):
        open_maps(dataset, exclude=["1", "2", "3", "4", "5"])
