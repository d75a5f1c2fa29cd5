"""Laws of the linear kernel: a kernel of blocks is the product of all maps, whatever fits into memory."""

import numpy as np
import pytest

from bids_deeptaskgen.stats import linear_kernel as module
from bids_deeptaskgen.stats.linear_kernel import linear_kernel

N_ROWS, N_VOXELS = 23, 61
ROW_BYTES = 4 * N_VOXELS


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_ROWS", 4)


def draw(seed=0, n_rows=N_ROWS):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=N_VOXELS) + rng.normal(size=(n_rows, N_VOXELS))).astype(np.float32)


def reader(maps, n_reads=None):
    def read(start, stop):
        if n_reads is not None:
            n_reads[start:stop] += 1
        return maps[start:stop].copy()

    return read


def fill(maps):
    """Replace missing values by the mean over the maps that have one, in float64."""
    maps = maps.astype(np.float64)
    is_missing = ~np.isfinite(maps)
    means = np.nanmean(np.where(is_missing, np.nan, maps), axis=0)
    return np.where(is_missing, means, maps)


def expected(maps):
    deviations = fill(maps) - fill(maps).mean(axis=0)
    return deviations @ deviations.T


def centre(kernel):
    return kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()


def memory(n_panel):
    """Return the memory in which a panel has some rows."""
    return ROW_BYTES * (n_panel + 2 * 4)


@pytest.mark.parametrize("n_panel", [1, 2, 5, 11, 12, 22, 23, 1000])
def test_a_kernel_of_blocks_equals_the_product_of_all_maps(n_panel):
    maps = draw()
    kernel = linear_kernel([reader(maps)], N_ROWS, max_bytes=memory(n_panel))
    products = expected(maps)
    scale = np.trace(products) / N_ROWS
    assert kernel.values.dtype == np.float32
    np.testing.assert_allclose(kernel.values, products / scale, atol=1e-5)
    np.testing.assert_array_equal(kernel.values, kernel.values.T)
    assert kernel.scales == pytest.approx((scale,), rel=1e-6)
    assert kernel.n_voxels == N_VOXELS


def test_memory_for_fewer_than_one_map_is_enough():
    maps = draw(n_rows=5)
    np.testing.assert_allclose(
        linear_kernel([reader(maps)], 5, max_bytes=1).values,
        linear_kernel([reader(maps)], 5).values,
        atol=1e-6,
    )


@pytest.mark.parametrize(("n_panel", "n_reads"), [(1000, 1), (12, 3), (8, 4)])
def test_maps_are_read_as_rarely_as_memory_allows(n_panel, n_reads):
    counts = np.zeros(N_ROWS, int)
    linear_kernel([reader(draw(), counts)], N_ROWS, max_bytes=memory(n_panel))
    # The first map is also read to find out its size.
    assert counts[1:].max() == n_reads
    assert counts.mean() < 2.6 or n_panel < 12


def test_a_pattern_that_all_maps_share_changes_nothing_and_costs_no_digits():
    maps = draw()
    pattern = (1000 * np.random.default_rng(1).normal(size=N_VOXELS)).astype(np.float32)
    shifted = maps + pattern
    products = expected(shifted)
    kernel = linear_kernel([reader(shifted)], N_ROWS, max_bytes=memory(5))
    np.testing.assert_allclose(kernel.values * kernel.scales[0], products, atol=1e-5 * products.max())
    # Products of the maps themselves would lose these digits.
    rough = centre((shifted @ shifted.T).astype(np.float64))
    assert np.abs(rough - products).max() > 100 * np.abs(kernel.values * kernel.scales[0] - products).max()


@pytest.mark.parametrize("n_panel", [5, 1000])
def test_a_voxel_without_value_has_the_mean_of_the_others(n_panel):
    maps = draw()
    maps[3, 10], maps[4, 10], maps[:, 20], maps[7, 5] = np.nan, np.inf, np.nan, np.nan
    kernel = linear_kernel([reader(maps)], N_ROWS, max_bytes=memory(n_panel))
    maps[:, 20] = 0
    products = expected(maps)
    np.testing.assert_allclose(kernel.values * kernel.scales[0], products, atol=1e-4)
    assert kernel.n_voxels == N_VOXELS - 1


def test_a_voxel_without_value_does_not_change_the_products_of_the_others():
    maps = draw()
    complete = linear_kernel([reader(maps)], N_ROWS)
    maps[3, 10] = np.nan
    partial = linear_kernel([reader(maps)], N_ROWS)
    rest = np.delete(np.arange(N_ROWS), 3)
    kernels = [centre((item.values * item.scales[0])[np.ix_(rest, rest)]) for item in (complete, partial)]
    np.testing.assert_allclose(*kernels, atol=1e-4)
    assert not np.allclose(complete.values[3], partial.values[3], atol=1e-4)


def test_kernels_of_several_sets_add_up_with_one_scale_for_each():
    sets = [draw(0), 100 * draw(1), draw(2)]
    kernel = linear_kernel([reader(maps) for maps in sets], N_ROWS, with_unscaled=True, max_bytes=memory(5))
    singles = [linear_kernel([reader(maps)], N_ROWS) for maps in sets]
    np.testing.assert_allclose(kernel.values, sum(item.values for item in singles), atol=1e-5)
    assert np.trace(kernel.values) / N_ROWS == pytest.approx(3, rel=1e-5)
    assert kernel.scales == pytest.approx([item.scales[0] for item in singles])
    products = sum(expected(maps) for maps in sets)
    np.testing.assert_allclose(kernel.unscaled_values, products, atol=1e-5 * products.max())
    assert kernel.n_voxels == 3 * N_VOXELS


def test_one_set_needs_no_second_kernel():
    assert linear_kernel([reader(draw())], N_ROWS, with_unscaled=True).unscaled_values is None
    assert linear_kernel([reader(draw()), reader(draw())], N_ROWS).unscaled_values is None


@pytest.mark.parametrize("value", [0.0, 0.1, 12345.6])
def test_equal_maps_have_scale_0_and_contribute_nothing(value):
    constant = np.full((N_ROWS, N_VOXELS), value, np.float32)
    both = linear_kernel([reader(constant), reader(draw())], N_ROWS)
    assert both.scales[0] == 0
    np.testing.assert_array_equal(both.values, linear_kernel([reader(draw())], N_ROWS).values)


def test_the_order_of_maps_and_of_voxels_does_not_matter():
    maps, rng = draw(), np.random.default_rng(3)
    rows, voxels = rng.permutation(N_ROWS), rng.permutation(N_VOXELS)
    kernel = linear_kernel([reader(maps)], N_ROWS, max_bytes=memory(5)).values
    permuted = linear_kernel([reader(maps[rows][:, voxels])], N_ROWS, max_bytes=memory(7)).values
    np.testing.assert_allclose(permuted, kernel[np.ix_(rows, rows)], atol=1e-5)


def test_an_error_of_the_reader_is_raised():
    def read(start, stop):
        if start > 8:
            raise OSError("damaged")
        return draw()[start:stop]

    for n_panel in (5, 1000):
        with pytest.raises(OSError, match="damaged"):
            linear_kernel([read], N_ROWS, max_bytes=memory(n_panel))
