"""Images of a page: what is saved is loaded, and equal data give equal bytes."""

import time
from dataclasses import fields, replace

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.report_data import (
    SessionImages,
    draw_roi_maps,
    load_session_images,
    save_session_images,
)
from bids_deeptaskgen.connectome.axial_slices import slice_indices, take_slices
from bids_deeptaskgen.connectome.series_preview import RunPreview
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import MODEL_GRID, unmask


def preview(seed=0, n_volumes=9):
    rng = np.random.default_rng(seed)
    return RunPreview(
        name="run-1",
        mean=rng.integers(0, 256, (12, 109, 91), np.uint8),
        mask=rng.random((12, 109, 91)) > 0.5,
        carpet=rng.integers(0, 256, (5, n_volumes), np.uint8),
        carpet_groups=(("grey matter", 3), ("rest of the brain", 2)),
        fd_mm=np.array([np.nan, *rng.random(n_volumes - 1)]).astype(np.float32).astype(float),
        dvars=None,
        global_signal=rng.random(n_volumes),
        is_kept=rng.random(n_volumes) > 0.5,
        is_dummy=np.zeros(n_volumes, bool),
    )


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    tsnr = rng.integers(0, 256, (12, 109, 91), np.uint8)
    maps = rng.integers(0, 256, (3, 12, 55, 46), np.uint8)
    runs = (preview(), replace(preview(2, 4), is_demeaned=True))
    return SessionImages(runs, tsnr, 81.5, maps)


def assert_equal(a, b):
    for field in fields(a):
        values = getattr(a, field.name), getattr(b, field.name)
        if isinstance(values[0], np.ndarray):
            np.testing.assert_array_equal(*values)
            assert values[0].dtype == values[1].dtype
        elif field.name == "runs":
            for run_a, run_b in zip(*values, strict=True):
                assert_equal(run_a, run_b)
        else:
            assert values[0] == values[1]


def test_images_and_facts_that_are_saved_are_loaded(images, tmp_path):
    facts = {"command": 'deeptaskgen "ä"', "seconds": 1.5}
    save_session_images(tmp_path / "a.npz", images, facts)
    loaded_images, loaded_facts = load_session_images(tmp_path / "a.npz")
    assert loaded_facts == facts
    assert_equal(loaded_images, images)


def test_equal_data_give_equal_bytes_at_any_time(images, tmp_path, monkeypatch):
    save_session_images(tmp_path / "a.npz", images)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 1e6)
    save_session_images(tmp_path / "b.npz", images)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    save_session_images(tmp_path / "c.npz", replace(images, tsnr_limit=1.0))
    assert (tmp_path / "a.npz").read_bytes() != (tmp_path / "c.npz").read_bytes()


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_damaged_file_is_named(images, tmp_path, size):
    path = tmp_path / "a.npz"
    save_session_images(path, images)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"a\.npz: the images of the page cannot be read"):
        load_session_images(path)


def test_maps_of_rois_are_means_of_connectomes_and_0_without_signal():
    brain = np.zeros(MODEL_GRID.shape, bool)
    brain[20:60, 20:70, 10:60] = True
    n_voxels = int(brain.sum())
    rng = np.random.default_rng(0)
    connectomes = rng.uniform(-1, 1, (2, 3, n_voxels)).astype(np.float32)
    has_signal = np.arange(n_voxels) % 3 > 0
    maps = draw_roi_maps(connectomes, has_signal, brain)
    assert maps.shape == (3, 12, 55, 46)
    indices = slice_indices(MODEL_GRID, 2)
    volume = take_slices(unmask(connectomes.mean(axis=0)[1] * has_signal, brain), indices)
    shown = maps[1] > 0
    np.testing.assert_allclose((maps[1][shown].astype(float) - 128) / 127, volume[shown], atol=0.5 / 127)
    np.testing.assert_array_equal(shown, take_slices(unmask(has_signal, brain), indices))


def test_damage_at_any_place_of_a_file_is_found(images, tmp_path):
    path = tmp_path / "a.npz"
    save_session_images(path, images)
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    # In the data, in the header of a member, and in the directory at the end.
    places = [*rng.integers(0, len(content), 150), *range(60), *range(len(content) - 250, len(content))]
    n_found = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            load_session_images(path)
        except InputError:
            n_found += 1
    # Bytes without effect on the arrays, such as times, remain.
    assert n_found > len(places) // 2
