"""Cohort stores of simulated participants whose traits have a known origin, written without images.

    python -m benchmarks.biomarkers.cohort STORE --participants 20000 --contrasts 1

The maps of a participant are the sum of a pattern that all participants share, of patterns that are weighted
by the latents of `traits.draw_traits`, and of smooth noise. They have the voxels of the published models.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks.biomarkers.traits import N_LATENTS, Traits, draw_traits
from bids_deeptaskgen.cohort_store.store.create import create_store
from bids_deeptaskgen.cohort_store.store.description import StoreDescription
from bids_deeptaskgen.cohort_store.store.pack import RowContent, pack_shards
from bids_deeptaskgen.cohort_store.store.row_tables import add_rows
from bids_deeptaskgen.cohort_store.store.shards import read_states
from bids_deeptaskgen.connectome.template_masks import grey_matter_mask
from bids_deeptaskgen.grid import model_to_output
from bids_deeptaskgen.models.contrasts import load_contrasts

Values = NDArray[np.float32]

N_ROIS = 50
# Smoothness of patterns and noise (SD of the Gaussian in voxels of 2 mm).
_PATTERN_SMOOTHNESS, _NOISE_SMOOTHNESS = 2.5, 1.5
# SD of the noise and of the shared pattern; the latents contribute an SD of 1 or more.
_NOISE, _COMMON = 1.0, 1.5
# Noise is cut from a larger field, since smoothing noise for each map would take most of the time.
_NOISE_SHAPE = (160, 180, 160)
# Rows that are drawn together, so that their product with the patterns is one of matrices.
_BATCH = 32


@dataclass(frozen=True)
class Patterns:
    """Smooth images that maps are sums of.

    Attributes
    ----------
    mask : boolean array of shape (91, 109, 91)
    values : float32 array of shape (n_latents, n_voxels)
        SD 1.
    noise : float32 array
        Field of smooth noise that is larger than the mask; SD 1.
    edges : float32 array of shape (n_latents, n_edges)
        Patterns of the ROI x ROI connectome.
    """

    mask: NDArray[np.bool_]
    values: Values
    noise: Values
    edges: Values

    def draw_noise(self, rng: np.random.Generator) -> Values:
        """Draw a map of smooth noise: the sum of two windows of the field, of shape (n_voxels,)."""
        total = np.zeros(self.values.shape[1], np.float32)
        for sign in rng.choice(np.float32([-1, 1]), 2):
            start = [
                rng.integers(whole - part + 1)
                for whole, part in zip(_NOISE_SHAPE, self.mask.shape, strict=True)
            ]
            window = tuple(slice(i, i + n) for i, n in zip(start, self.mask.shape, strict=True))
            total += sign * self.noise[window][self.mask]
        return total / np.float32(np.sqrt(2))


def make_patterns(rng: np.random.Generator, mask: NDArray[np.bool_] | None = None) -> Patterns:
    """Draw the images of a cohort.

    Parameters
    ----------
    rng : Generator
    mask : boolean array of shape (91, 109, 91), optional
        Voxels of the maps; by default the 202,292 voxels of the published models.

    Returns
    -------
    Patterns
    """
    mask = model_to_output(grey_matter_mask()) if mask is None else mask

    def draw(shape: tuple[int, ...], smoothness: float) -> Values:
        return gaussian_filter(rng.standard_normal(shape, np.float32), smoothness)

    values = np.stack([draw(mask.shape, _PATTERN_SMOOTHNESS)[mask] for _ in range(N_LATENTS)])
    noise = draw(_NOISE_SHAPE, _NOISE_SMOOTHNESS)
    edges = rng.standard_normal((N_LATENTS, N_ROIS * (N_ROIS - 1) // 2), np.float32)
    return Patterns(mask, values / values.std(axis=1, keepdims=True), noise / noise.std(), edges)


def make_reader(
    traits: Traits, patterns: Patterns, n_contrasts: int, seed: int = 0
) -> Callable[[int], RowContent]:
    """Return the function that draws the maps and the connectome of a participant.

    Parameters
    ----------
    traits : Traits
    patterns : Patterns
    n_contrasts : int
        In each contrast, the latents weight other patterns.
    seed : int
        Of the noise.

    Returns
    -------
    callable
        Of the number of the participant.
    """
    n_latents = traits.latents.shape[1]
    latents = (traits.latents / np.sqrt(n_latents)).astype(np.float32)
    orders = [(np.arange(n_latents) + contrast) % n_latents for contrast in range(n_contrasts)]

    @lru_cache(maxsize=1)
    def draw_signals(batch: int) -> Values:
        rows = latents[batch * _BATCH : (batch + 1) * _BATCH]
        # Column i of the permuted latents weights pattern i.
        return np.stack([rows[:, order] @ patterns.values for order in orders], axis=1)

    def read(row: int) -> RowContent:
        rng = np.random.default_rng([seed, row])
        maps = draw_signals(row // _BATCH)[row % _BATCH].copy()
        for contrast, values in enumerate(maps):
            values += np.float32(_COMMON) * patterns.values[-1 - contrast % n_latents]
            values += np.float32(_NOISE) * patterns.draw_noise(rng)
        return RowContent(maps, _draw_connectome(latents[row], patterns.edges, rng), source=f"row {row}")

    return read


def _draw_connectome(latents: Values, edges: Values, rng: np.random.Generator) -> Values:
    values = np.tanh(0.3 * (latents @ edges) + 0.2 * rng.standard_normal(edges.shape[1], np.float32))
    matrix = np.eye(N_ROIS, dtype=np.float32)
    matrix[np.triu_indices(N_ROIS, 1)] = values
    return np.maximum(matrix, matrix.T) + np.minimum(matrix, matrix.T) - np.eye(N_ROIS, dtype=np.float32)


def write_store(
    store: Path,
    n_participants: int,
    n_contrasts: int,
    *,
    precision: str = "float16",
    seed: int = 0,
    mask: NDArray[np.bool_] | None = None,
) -> Traits:
    """Write a cohort store of simulated participants with one session each.

    Parameters
    ----------
    store : Path
        Folder that does not exist; an unfinished store is completed.
    n_participants, n_contrasts : int
    precision : {"float16", "float32"}
    seed : int
    mask : boolean array of shape (91, 109, 91), optional
        See `make_patterns`.

    Returns
    -------
    Traits
    """
    rng = np.random.default_rng(seed)
    traits = draw_traits(n_participants, rng)
    patterns = make_patterns(rng, mask)
    contrasts = tuple({"label": contrast.label} for contrast in load_contrasts()[:n_contrasts])
    description = StoreDescription(contrasts, patterns.mask, precision=precision, n_rois=N_ROIS)
    create_store(store, description)
    labels = [f"{number:05d}" for number in range(1, n_participants + 1)]
    tables = add_rows(store, traits.rows(labels), "simulated")
    read_row = make_reader(traits, patterns, n_contrasts, seed)
    pack_shards(store, read_row, read_states(store, description, tables).incomplete)
    return traits


def main() -> None:
    """Write a store, and print the time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--participants", type=int, default=1000)
    parser.add_argument("--contrasts", type=int, default=1)
    parser.add_argument("--precision", choices=("float16", "float32"), default="float16")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    write_store(
        options.store, options.participants, options.contrasts, precision=options.precision, seed=options.seed
    )
    print(f"{options.store}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
