"""Cortical surface of fsaverage5: sampling of volumes on its vertices, and one picture of it for all maps.

The picture stores the number of a vertex in each pixel, so the page colours a map without a renderer.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import OUTPUT_GRID

N_VERTICES = 10242
HEMISPHERES = ("left", "right")
# Share of the way from the white to the pial surface.
DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
# A vertex has a value if at least half of the weight of its samples lies in the map's mask.
MIN_SHARE = 0.5

# Hemisphere, side from which it is seen, and title, from left to right.
VIEWS = (
    ("left", -1, "left lateral"),
    ("left", 1, "left medial"),
    ("right", -1, "right medial"),
    ("right", 1, "right lateral"),
)
VIEW_WIDTH, VIEW_HEIGHT = 300, 204
# The first vertices of fsaverage5 are those of fsaverage4, with a quarter of the data.
N_COARSE = 2562
# Vertices of a hemisphere in each band of latitude; measured: other lengths compress less.
BAND_LENGTHS = {N_VERTICES: 180, N_COARSE: 90}
# Samples along the edge of a triangle; triangles are smaller than 10 pixels.
EDGE_SAMPLES = 10


@dataclass(frozen=True)
class SurfaceSampler:
    """Weights from the voxels of a mask to the vertices.

    Attributes
    ----------
    mask : boolean array of shape (91, 109, 91)
        On ``OUTPUT_GRID``.
    weights : sparse array of shape (2 * 10242, n_voxels)
        Rows sum to 1, or to 0 for a vertex outside the mask; columns in C order of `mask`.
    is_covered : boolean array of shape (2 * 10242,)
        Vertices with a value; left, then right hemisphere.
    """

    mask: NDArray[np.bool_]
    weights: Any
    is_covered: NDArray[np.bool_]

    def sample(self, volume: NDArray[np.floating]) -> NDArray[np.float32]:
        """Sample a volume on the surface.

        Parameters
        ----------
        volume : array of shape (91, 109, 91)
            On ``OUTPUT_GRID``.

        Returns
        -------
        array of shape (2 * 10242,)
            Mean over depths between the white and the pial surface; NaN outside the mask.
        """
        values = self.weights @ volume[self.mask].astype(np.float32)
        return np.where(self.is_covered, values, np.float32(np.nan)).astype(np.float32)


def make_surface_sampler(mask: NDArray[np.bool_]) -> SurfaceSampler:
    """Create the sampler of a mask; equal masks share one sampler.

    Parameters
    ----------
    mask : boolean array of shape (91, 109, 91)
        Voxels of ``OUTPUT_GRID`` with values.

    Returns
    -------
    SurfaceSampler
    """
    return _make_sampler(np.packbits(mask).tobytes())


@lru_cache(maxsize=2)
def _make_sampler(packed: bytes) -> SurfaceSampler:
    from scipy import sparse

    shape = OUTPUT_GRID.shape
    size = int(np.prod(shape))
    mask = np.unpackbits(np.frombuffer(packed, np.uint8), count=size).astype(bool).reshape(shape)
    columns = np.cumsum(mask.ravel()) - 1
    positions = (depth_points() - OUTPUT_GRID.matrix[:3, 3]) / np.array(OUTPUT_GRID.voxel_sizes_mm)
    lower = np.floor(positions).astype(np.intp)
    fraction = positions - lower
    vertices = np.broadcast_to(np.arange(2 * N_VERTICES), positions.shape[:-1])
    total = sparse.csr_array((2 * N_VERTICES, int(mask.sum())), dtype=np.float32)
    for offset in np.ndindex(2, 2, 2):
        weight = np.where(offset, fraction, 1 - fraction).prod(axis=-1) / len(DEPTHS)
        corner = (lower + offset).clip(0, np.array(shape) - 1)
        flat = np.ravel_multi_index(tuple(np.moveaxis(corner, -1, 0)), shape)
        is_used = mask.ravel()[flat]
        entries = (weight[is_used].astype(np.float32), (vertices[is_used], columns[flat[is_used]]))
        total = total + sparse.coo_array(entries, total.shape).tocsr()
    share = np.asarray(total.sum(axis=1)).ravel()
    is_covered = share >= MIN_SHARE
    scale = np.where(is_covered, 1 / np.maximum(share, MIN_SHARE), 0).astype(np.float32)
    return SurfaceSampler(mask, (sparse.diags_array(scale) @ total).tocsr(), is_covered)


def depth_points() -> NDArray[np.float64]:
    """Compute the points at which a volume is sampled.

    Returns
    -------
    array of shape (n_depths, 2 * 10242, 3)
        Position in mm, left then right hemisphere.
    """
    white, pial = (
        np.concatenate([_load_surface(f"{kind}_{side}")[0] for side in HEMISPHERES])
        for kind in ("white", "pial")
    )
    return np.stack([(1 - depth) * white + depth * pial for depth in DEPTHS])


def _load_surface(name: str) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Load points (n_vertices, 3) and triangles (n_triangles, 3) of a mesh that nilearn ships."""
    points, triangles = (array.data for array in _load_gifti(name))
    return points.astype(np.float64), triangles.astype(np.intp)


def _load_gifti(name: str) -> Any:
    from nibabel.gifti.gifti import GiftiImage
    from nilearn.datasets import fetch_surf_fsaverage

    # nilearn contains this mesh, so nothing is downloaded.
    return GiftiImage.from_filename(fetch_surf_fsaverage("fsaverage5")[name]).darrays


@dataclass(frozen=True)
class SurfacePicture:
    """Picture of the inflated surface from four sides, in one row.

    Attributes
    ----------
    n_vertices : int
        Vertices per hemisphere with a value: all, or those of fsaverage4.
    pixels : integer array of shape (VIEW_HEIGHT, 4 * VIEW_WIDTH)
        Place of the pixel's vertex in `arrange`'s result, counted row by row; -1 beside the surface.
    shading : uint8 array of the same shape
        Grey value: light from the front, gyri lighter than sulci.
    places : integer array of shape (2 * n_vertices,)
        Place of each vertex.
    """

    n_vertices: int
    pixels: NDArray[np.int32]
    shading: NDArray[np.uint8]
    places: NDArray[np.intp]

    def arrange(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Order the values of vertices so that neighbours on the surface are neighbours in the image.

        An image of this order compresses by a seventh better than one in the order of the vertices.

        Parameters
        ----------
        values : uint8 array of shape (2 * 10242,)

        Returns
        -------
        uint8 array of shape (2 * n_bands, band_length)
        """
        image = np.zeros(2 * _hemisphere_size(self.n_vertices), np.uint8)
        image[self.places] = values.reshape(2, N_VERTICES)[:, : self.n_vertices].ravel()
        return image.reshape(-1, BAND_LENGTHS[self.n_vertices])


def _hemisphere_size(n_vertices: int) -> int:
    """Return the pixels of a hemisphere's bands, of which the last may be incomplete."""
    length = BAND_LENGTHS[n_vertices]
    return -(-n_vertices // length) * length


@lru_cache(maxsize=2)
def draw_surface(n_vertices: int = N_VERTICES) -> SurfacePicture:
    """Draw the inflated surface, once per process.

    Parameters
    ----------
    n_vertices : {10242, 2562}
        Vertices per hemisphere with a value.

    Returns
    -------
    SurfacePicture
    """
    pixels, shading, places = [], [], []
    for number, side in enumerate(HEMISPHERES):
        ranks = _rank_by_latitude(_load_surface(f"sphere_{side}")[0][:n_vertices], BAND_LENGTHS[n_vertices])
        places.append(ranks + number * _hemisphere_size(n_vertices))
    for side, direction, _ in VIEWS:
        vertices, light = _draw_view(side, direction)
        place = places[HEMISPHERES.index(side)][_nearest_vertices(side, n_vertices)]
        pixels.append(np.where(vertices < 0, -1, place[np.maximum(vertices, 0)]))
        shading.append(light)
    row = np.concatenate(pixels, axis=1).astype(np.int32)
    return SurfacePicture(n_vertices, row, np.concatenate(shading, axis=1), np.concatenate(places))


def _nearest_vertices(side: str, n_vertices: int) -> NDArray[np.intp]:
    """Find the nearest of the first vertices on the sphere for each vertex, shape (10242,)."""
    from scipy.spatial import KDTree

    sphere = _load_surface(f"sphere_{side}")[0]
    return np.asarray(KDTree(sphere[:n_vertices]).query(sphere)[1])


def _rank_by_latitude(sphere: NDArray[np.float64], length: int) -> NDArray[np.intp]:
    """Rank vertices by bands of latitude, each sorted by longitude; all bands have equal areas."""
    bands = np.argsort(np.argsort(sphere[:, 2], kind="stable"), kind="stable") // length
    longitude = np.arctan2(sphere[:, 1], sphere[:, 0])
    ranks = np.empty(len(sphere), np.intp)
    ranks[np.lexsort((longitude, bands))] = np.arange(len(sphere))
    return ranks


@lru_cache(maxsize=len(VIEWS))
def _draw_view(side: str, direction: int) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Draw a hemisphere from one side with a depth buffer.

    Parameters
    ----------
    side : {"left", "right"}
    direction : {-1, 1}
        -1: seen from the left.

    Returns
    -------
    vertices : integer array of shape (VIEW_HEIGHT, VIEW_WIDTH)
        Nearest vertex of each pixel; -1 beside the surface.
    shading : uint8 array of the same shape
    """
    points, triangles = _load_surface(f"infl_{side}")
    (sulci,) = (array.data.astype(np.float64) for array in _load_gifti(f"sulc_{side}"))
    normals = _vertex_normals(points, triangles)
    # Seen from the left, anterior is on the left.
    sideways, upward = direction * points[:, 1], points[:, 2]
    scale = min((VIEW_WIDTH - 4) / np.ptp(sideways), (VIEW_HEIGHT - 4) / np.ptp(upward))
    columns = (sideways - (sideways.max() + sideways.min()) / 2) * scale + (VIEW_WIDTH - 1) / 2
    rows = -(upward - (upward.max() + upward.min()) / 2) * scale + (VIEW_HEIGHT - 1) / 2
    depth = direction * points[:, 0]
    facing = triangles[(direction * normals[triangles, 0]).max(axis=1) > 0]
    weights = _barycentric(EDGE_SAMPLES)
    sample = [(values[facing] @ weights.T).ravel() for values in (columns, rows, depth)]
    nearest_corner = np.repeat(facing[:, None, :], len(weights), axis=1)[
        :, np.arange(len(weights)), weights.argmax(axis=1)
    ].ravel()
    pixels = np.rint(sample[1]).astype(np.intp) * VIEW_WIDTH + np.rint(sample[0]).astype(np.intp)
    front_last = np.argsort(sample[2], kind="stable")
    vertices = np.full(VIEW_HEIGHT * VIEW_WIDTH, -1, np.intp)
    vertices[pixels[front_last]] = nearest_corner[front_last]
    light = np.abs(normals[:, 0]) * 0.6 + 0.4
    grey = 255 * light * (0.72 - 0.16 * np.tanh(2 * sulci))
    samples = (grey[facing] @ weights.T).ravel()
    shading = np.zeros(VIEW_HEIGHT * VIEW_WIDTH)
    shading[pixels[front_last]] = samples[front_last]
    shape = (VIEW_HEIGHT, VIEW_WIDTH)
    return vertices.reshape(shape), shading.clip(0, 255).astype(np.uint8).reshape(shape)


def _vertex_normals(points: NDArray[np.float64], triangles: NDArray[np.intp]) -> NDArray[np.float64]:
    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], np.cross(second - first, third - first))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # Outward, whatever the order of the corners.
    return np.asarray(normals * np.sign((normals * (points - points.mean(axis=0))).sum()))


def _barycentric(n: int) -> NDArray[np.float64]:
    """Return weights of the corners, shape (n_samples, 3), at regular points of a triangle."""
    pairs = [(i, j) for i in range(n) for j in range(n - i)]
    return np.array([((i + 1 / 3) / n, (j + 1 / 3) / n, (n - i - j - 2 / 3) / n) for i, j in pairs])
