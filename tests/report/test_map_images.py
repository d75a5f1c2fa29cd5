import numpy as np
import pytest

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.map_images import colour_limit, encode_signed, map_images, project, sd_slices
from bids_deeptaskgen.report.surface import N_VERTICES, make_surface_sampler
from tests.report.page_content import BLOB_MM, blob, mask


@pytest.fixture(scope="module")
def images():
    return map_images(-3 * blob(), make_surface_sampler(mask()))


def peak(image):
    """Return the mean place of the most negative values."""
    values = np.where(image == 0, 255, image)
    return np.argwhere(values == values.min()).mean(axis=0)


def test_bytes_return_the_values_within_half_a_step():
    values = np.random.default_rng(0).uniform(-2, 2, 1000).astype(np.float32)
    decoded = (encode_signed(values, 2.0).astype(float) - 128) / 127 * 2.0
    assert np.abs(decoded - values).max() <= 2 / 127 / 2 + 1e-6


def test_values_that_are_not_finite_or_outside_the_mask_have_byte_0():
    volume = np.ones(OUTPUT_GRID.shape, np.float32)
    volume[mask()] = np.nan
    images = map_images(volume, make_surface_sampler(mask()))
    assert not images.slices.any()
    assert not any(view.any() for view in images.glass)
    assert images.limit == 1.0


def test_single_voxels_do_not_determine_the_limit():
    values = np.linspace(-1, 1, 10001)
    values[0] = 50
    assert colour_limit(values) == pytest.approx(0.995, abs=0.002)


def test_a_blob_is_at_its_place_in_every_view(images):
    x, y, z = BLOB_MM
    slice_number, row, column = peak(images.slices)
    assert abs(slice_number - 6) <= 1
    assert (90 - 2 * row, -90 + 2 * column) == pytest.approx((y, x), abs=8)
    sagittal, coronal, axial = (peak(view) for view in images.glass)
    assert (108 - 2 * sagittal[0], -126 + 2 * sagittal[1]) == pytest.approx((z, y), abs=8)
    assert (108 - 2 * coronal[0], -90 + 2 * coronal[1]) == pytest.approx((z, x), abs=8)
    assert (90 - 2 * axial[0], -90 + 2 * axial[1]) == pytest.approx((y, x), abs=8)
    assert peak(images.surface)[0] < N_VERTICES


def test_projections_keep_the_sign_of_the_largest_magnitude():
    encoded = np.full((91, 109, 91), 128, np.uint8)
    encoded[3, 5, 7], encoded[4, 5, 7] = 28, 200
    encoded[10] = 0
    sagittal, coronal, axial = project(encoded)
    assert (sagittal.shape, coronal.shape, axial.shape) == ((91, 109), (91, 91), (109, 91))
    assert sagittal[90 - 7, 5] == 28
    assert (coronal[90 - 7, 3], coronal[90 - 7, 4]) == (28, 200)
    assert (axial[108 - 5, 3], axial[108 - 5, 4]) == (28, 200)
    assert (axial[:, 10] == 0).all()
    assert (axial[:, 11] == 128).all()


def test_standard_deviations_of_0_differ_from_no_value():
    slices, limit = sd_slices(np.zeros(OUTPUT_GRID.shape), mask())
    assert set(np.unique(slices)) == {0, 1}
    assert limit == 1.0
    assert slices.shape[1:] == (55, 46)


def test_a_given_limit_has_the_end_colour():
    images = map_images(2 * blob(), make_surface_sampler(mask()), limit=4.0)
    assert images.limit == 4.0
    assert images.slices.max() == pytest.approx(192, abs=1)
