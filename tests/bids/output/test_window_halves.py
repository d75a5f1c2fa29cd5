"""Files of coarse maps of both halves of the windows."""

import dataclasses

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.window_halves import (
    BLOCK_SIZE,
    WindowHalves,
    map_blocks,
    read_halves,
    save_halves,
)
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import model_to_output, unmask
from tests.bundles import ellipsoid

MASK = ellipsoid(0.5)


@pytest.fixture
def halves():
    blocks = map_blocks(MASK)[1]
    values = np.random.default_rng(0).normal(0, 3, (2, 2, len(blocks))).astype(np.float32)
    values[:, :, 0] = np.nan
    values[1, 1, 1:] = 0
    return WindowHalves(("a", "b"), values, blocks, (3, 2), "hash")


def test_blocks_are_cubes_of_the_maps_grid():
    means, blocks = map_blocks(MASK)
    maps = np.random.default_rng(1).normal(size=(1, MASK.sum())).astype(np.float32)
    volume = model_to_output(unmask(maps[0], MASK))
    inside = model_to_output(MASK)
    for value, block in list(zip(means.apply(maps)[0], blocks, strict=True))[::50]:
        cube = tuple(slice(BLOCK_SIZE * i, BLOCK_SIZE * (i + 1)) for i in block)
        np.testing.assert_allclose(value, volume[cube][inside[cube]].mean(), atol=1e-5)


def test_what_is_read_is_what_was_saved_within_a_step_of_the_stored_integers(tmp_path, halves):
    path = tmp_path / "sub-01_desc-halves_maps.npz"
    save_halves(path, halves)
    result = read_halves(path)
    assert (result.contrasts, result.n_windows, result.settings_hash) == (("a", "b"), (3, 2), "hash")
    np.testing.assert_array_equal(result.blocks, halves.blocks)
    np.testing.assert_array_equal(np.isnan(result.values), np.isnan(halves.values))
    step = np.nanmax(np.abs(halves.values)) / 32767
    np.testing.assert_allclose(result.values, halves.values, rtol=0, atol=0.51 * step)


def test_equal_values_give_equal_bytes(tmp_path, halves):
    save_halves(tmp_path / "a.npz", halves)
    save_halves(tmp_path / "b.npz", halves)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "text", "missing", "shape"])
def test_a_damaged_file_is_refused_with_a_remedy(tmp_path, halves, damage):
    path = tmp_path / "a.npz"
    save_halves(path, dataclasses.replace(halves, contrasts=("a",)) if damage == "shape" else halves)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "text":
        path.write_text("no archive")
    elif damage == "missing":
        path.unlink()
    with pytest.raises(InputError, match=r"a\.npz: .*\n.*--overwrite"):
        read_halves(path)
