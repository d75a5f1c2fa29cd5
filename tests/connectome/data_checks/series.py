"""A small series with a brain, and its observation."""

import numpy as np

from bids_deeptaskgen.connectome.data_checks.observer import Places, SeriesObserver

SHAPE, SIZE_MM, N_VOLUMES = (24, 28, 22), 6.0, 60


def brain_mask(shift=(0, 0, 0)):
    """Return an ellipsoid, displaced by some voxels."""
    centre, radius = (np.array(SHAPE) - 1) / 2 + np.array(shift), np.array(SHAPE) * 0.38
    points = np.moveaxis(np.indices(SHAPE), 0, -1)
    return (((points - centre) / radius) ** 2).sum(axis=-1) <= 1


def make_series(seed=0):
    """Return a series that is bright and varies in the brain, and is dark around it."""
    rng = np.random.default_rng(seed)
    level = np.where(brain_mask(), rng.uniform(800, 1200, SHAPE), rng.uniform(10, 60, SHAPE))
    common = rng.standard_normal(N_VOLUMES).cumsum()
    return level[..., None] * (1 + 0.003 * common + 0.01 * rng.standard_normal((*SHAPE, N_VOLUMES)))


def demeaned(data):
    """Return a masked series with a mean of 0 and a standard deviation of 1, as some pipelines write it."""
    values = data - data.mean(axis=-1, keepdims=True)
    return values / values.std(axis=-1, keepdims=True) * brain_mask()[..., None]


def observe(data, mask=None, *, slope=1.0, inter=0.0, has_mask_file=True, dtype=None):
    """Observe stored values, volume by volume."""
    mask = brain_mask() if mask is None else mask
    model_voxels = np.flatnonzero(brain_mask().ravel(order="F"))
    places = Places(SHAPE, (SIZE_MM,) * 3, mask, model_voxels, slope, inter, has_mask_file)
    observer = SeriesObserver(places, data.shape[3])
    stored = np.asarray(data, dtype or data.dtype)
    volumes = (stored[..., t].ravel(order="F") for t in range(data.shape[3]))
    for volume, expected in zip(observer.watch(volumes), np.moveaxis(stored, 3, 0), strict=True):
        np.testing.assert_array_equal(volume, expected.ravel(order="F"))
    return observer.finish()
