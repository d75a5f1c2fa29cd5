"""Model bundles: folders with card, weights, ROI maps and masks. Does not import torch."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.roi_geometry import RoiGeometry, measure_rois
from bids_deeptaskgen.connectome.roi_projection import RoiSpace, read_roi_maps, roi_projection
from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import MODEL_GRID, Array, Grid
from bids_deeptaskgen.grid_comparison import describe_difference
from bids_deeptaskgen.io.checksum import file_sha256
from bids_deeptaskgen.io.nifti_reader import load_image
from bids_deeptaskgen.io.opening import name_reason
from bids_deeptaskgen.models.architecture import Shapes, describe_mismatch, read_architecture
from bids_deeptaskgen.models.card import INPUT_MASKS, Card, CardGrid, read_card
from bids_deeptaskgen.models.ridge_arrays import ridge_model, ridge_shape_fault, ridge_value_fault
from bids_deeptaskgen.models.roi_connectomes import ROI_CONNECTOMES, load_distribution
from bids_deeptaskgen.stats.ridge import RidgeModel

WEIGHTS = "weights.safetensors"
ROIS = "rois.nii.gz"
BRAIN_MASK = "brain_mask.nii.gz"
OUTPUT_MASK = "output_mask.nii.gz"
FILES = (WEIGHTS, ROIS, BRAIN_MASK, OUTPUT_MASK)
# Mean measured maps of the training and validation participants: optional, but required for a calibrated or a
# ridge model.
MEAN_STATMAPS = "mean_statmaps.nii.gz"
OPTIONAL_FILES = (MEAN_STATMAPS, ROI_CONNECTOMES)
# Fields of the card that affect maps, their names or their quality measures.
SCIENCE = (
    "architecture",
    "contrasts",
    "grid",
    "units",
    "input_mask",
    "window_minutes",
    "mean_roi_connectome",
)


@dataclass(frozen=True)
class Bundle:
    """Model bundle that has been checked for completeness and consistency.

    Attributes
    ----------
    folder : Path
        Folder of the bundle.
    card : Card
        Its description.
    brain_mask : boolean array of shape (76, 93, 78)
        Voxels of the connectome.
    output_mask : boolean array of shape (76, 93, 78)
        Voxels that are predicted.
    """

    folder: Path
    card: Card
    brain_mask: NDArray[np.bool_] = field(repr=False)
    output_mask: NDArray[np.bool_] = field(repr=False)

    # Only the folder is pickled; each process opens the bundle itself, once.
    def __reduce__(self) -> tuple[Callable[[Path], "Bundle"], tuple[Path]]:
        return open_bundle, (self.folder,)

    def __deepcopy__(self, memo: object) -> "Bundle":
        return self

    @property
    def weights_sha256(self) -> str:
        """Return the sha256 of the weights' file, which identifies the model."""
        return self.card.sha256[WEIGHTS]

    @property
    def science_sha256(self) -> str:
        """Return a hash of all that affects predicted maps: files and the `SCIENCE` fields of the card."""
        content = asdict(self.card)
        science = [content[name] for name in SCIENCE] + [self.card.sha256[name] for name in FILES]
        if self.card.calibration is not None:
            science += [content["calibration"], self.card.sha256[MEAN_STATMAPS]]
        elif not self.card.architecture.is_network:
            science += [MEAN_STATMAPS, self.card.sha256[MEAN_STATMAPS]]
        if ROI_CONNECTOMES in self.card.sha256:
            science += [ROI_CONNECTOMES, self.card.sha256[ROI_CONNECTOMES]]
        return hashlib.sha256(json.dumps(science).encode()).hexdigest()

    def rois(self) -> NDArray[np.float64]:
        """Read the ROI maps, (n_rois, n_voxels), at the voxels of the brain mask in C order."""
        return read_roi_maps(self.folder / ROIS, self.brain_mask)

    def projection(self, rois: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Compute the projection from voxels to ROI time series; see `roi_projection`.

        The projection of 50 maps of 235,375 voxels takes less than a second and is not stored, because it
        would be twice as large as the bundle.

        Parameters
        ----------
        rois : array of shape (n_rois, n_voxels), or None
            ROI maps if they have been read already.

        Returns
        -------
        array of shape (n_rois, n_voxels)

        Raises
        ------
        UserError
            If a map is constant or not finite, or the maps are linearly dependent.
        """
        try:
            return roi_projection(self.rois() if rois is None else rois)
        except UserError as error:
            message = f"{self.folder / ROIS}: {error}"
            raise UserError(message) from error

    @property
    def roi_space(self) -> RoiSpace:
        """Return brain mask and projection of the connectomes; computed once."""
        return self._roi_arrays[0]

    @property
    def roi_weights(self) -> NDArray[np.float32]:
        """Return the weight of each voxel in each ROI: absolute ROI maps of shape (n_rois, n_voxels)."""
        return self._roi_arrays[1]

    @property
    def roi_geometry(self) -> RoiGeometry:
        """Return centroid and spread of each ROI; computed once."""
        return self._roi_arrays[2]

    @cached_property
    def _roi_arrays(self) -> tuple[RoiSpace, NDArray[np.float32], RoiGeometry]:
        """Read the ROI maps once for `roi_space`, `roi_weights` and `roi_geometry`."""
        rois = self.rois()
        return (
            RoiSpace(self.brain_mask, self.projection(rois)),
            np.abs(rois).astype(np.float32),
            measure_rois(rois, self.brain_mask),
        )

    def weights(self) -> dict[str, Array]:
        """Read the arrays of the model: name to array."""
        from safetensors.numpy import load_file

        path = self.folder / WEIGHTS
        with name_reason(path):
            return load_file(path)

    def ridge_model(self) -> RidgeModel:
        """Read the ridge model.

        Returns
        -------
        RidgeModel
            Its voxels are those of the output mask.

        Raises
        ------
        ValueError
            If the bundle is of another architecture.
        """
        mean_maps = self.mean_statmaps()
        if self.card.architecture.is_network or mean_maps is None:
            message = f"{self.folder}: the model is of the architecture {self.card.architecture}."
            raise ValueError(message)
        return ridge_model(self.weights(), mean_maps)

    def mean_statmaps(self) -> NDArray[np.float32] | None:
        """Return the mean measured maps of the training and validation participants.

        Returns
        -------
        array of shape (n_contrasts, n_output_voxels), or None
            None if the bundle has none. The array is shared: do not change it.
        """
        return self._mean_statmaps

    @cached_property
    def _mean_statmaps(self) -> NDArray[np.float32] | None:
        if MEAN_STATMAPS not in self.card.sha256:
            return None
        image = load_image(self.folder / MEAN_STATMAPS)
        maps = image.values_on(MODEL_GRID)[self.output_mask]
        return np.ascontiguousarray(maps.T)

    def connectome_distribution(self) -> ConnectomeDistribution | None:
        """Return the distribution of the training participants' ROI-by-ROI connectomes; read once.

        Returns
        -------
        ConnectomeDistribution or None
            None if the bundle has none.
        """
        return self._connectome_distribution

    @cached_property
    def _connectome_distribution(self) -> ConnectomeDistribution | None:
        if ROI_CONNECTOMES not in self.card.sha256:
            return None
        return load_distribution(self.folder / ROI_CONNECTOMES, self.card.architecture.in_channels)

    def shapes(self) -> Shapes:
        """Read names and shapes of the model's arrays without their values."""
        return _weight_shapes(self.folder / WEIGHTS)


def open_bundle(folder: Path) -> Bundle:
    """Load a bundle once per process; see `load_bundle`.

    The bundle is loaded again if one of its files has changed.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.

    Returns
    -------
    Bundle
        The same object for each call with an unchanged folder.
    """
    try:
        stats = [(path.name, path.stat()) for path in sorted(folder.glob("*"))]
    except OSError:  # e.g. a broken link; load_bundle explains it
        return load_bundle(folder)
    return _open_bundle(folder, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


@lru_cache(maxsize=1)
def _open_bundle(folder: Path, _stamps: tuple[tuple[str, int, int], ...]) -> Bundle:
    return load_bundle(folder)


def load_bundle(folder: Path) -> Bundle:
    """Load a bundle and check its completeness and consistency.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.

    Returns
    -------
    Bundle

    Raises
    ------
    UserError
        If a file is missing or has another hash than in the card, or if card, weights, ROI maps and masks
        do not fit each other or the model grid.
    """
    card = read_card(folder / "card.json")
    check_card(card, folder)
    _check_hashes(folder, card)
    weights, rois = _weight_shapes(folder / WEIGHTS), load_image(folder / ROIS)
    architecture = read_architecture(weights, str(folder / WEIGHTS))
    if architecture != card.architecture:
        raise _misfit(folder, describe_mismatch(architecture, card.architecture))
    n_maps = rois.shape[3] if len(rois.shape) == 4 else 1
    if n_maps != architecture.in_channels:
        raise _misfit(
            folder, f"{ROIS} contains {n_maps} ROI maps for {architecture.in_channels} input channels"
        )
    if not MODEL_GRID.fits(rois.grid):
        raise _misfit(folder, _describe_misplaced(ROIS, rois.grid))
    if MEAN_STATMAPS in card.sha256:
        _check_mean_statmaps(folder, len(card.contrasts))
    if ROI_CONNECTOMES in card.sha256:
        load_distribution(folder / ROI_CONNECTOMES, architecture.in_channels)
    bundle = Bundle(folder, card, _read_mask(folder, BRAIN_MASK), _read_mask(folder, OUTPUT_MASK))
    if not architecture.is_network:
        _check_ridge(bundle, weights)
    return bundle


def check_card(card: Card, folder: Path) -> None:
    """Check that a card is consistent and supported by this version.

    Parameters
    ----------
    card : Card
    folder : Path
        Folder of the bundle for error messages.

    Raises
    ------
    UserError
        For the first inconsistency.
    """
    shape, labels = card.architecture, [contrast.label for contrast in card.contrasts]
    n_pairs = shape.in_channels * (shape.in_channels - 1) // 2
    if card.grid != CardGrid():
        raise _misfit(folder, f"the card's grid is {card.grid}; this version computes on {CardGrid()}")
    if len(labels) != shape.out_channels:
        raise _misfit(
            folder, f"the card lists {len(labels)} contrasts for {shape.out_channels} output channels"
        )
    if len(set(labels)) != len(labels) or not all(label.isascii() and label.isalnum() for label in labels):
        raise _misfit(folder, "contrast labels must be unique and contain only letters and digits")
    if card.input_mask not in INPUT_MASKS:
        raise _misfit(folder, f"input_mask is {card.input_mask!r}, but must be one of {INPUT_MASKS}")
    if card.window_minutes is not None and not card.window_minutes > 0:
        raise _misfit(folder, f"window_minutes is {card.window_minutes}, but must be greater than 0 or null")
    if card.calibration is not None:
        _check_calibration(card, folder)
    if card.mean_roi_connectome is not None and len(card.mean_roi_connectome) != n_pairs:
        raise _misfit(
            folder,
            f"mean_roi_connectome has {len(card.mean_roi_connectome)} values, "
            f"but {shape.in_channels} ROIs have {n_pairs} pairs",
        )


def _check_calibration(card: Card, folder: Path) -> None:
    weights = card.calibration or ()
    if len(weights) != len(card.contrasts) or not all(0 <= weight <= 1 for weight in weights):
        raise _misfit(
            folder, f"calibration must be {len(card.contrasts)} weights from 0 to 1, one per contrast"
        )
    # Hashes are added when the bundle is saved.
    if card.sha256 and MEAN_STATMAPS not in card.sha256:
        raise _misfit(folder, f"the card has a calibration, but {MEAN_STATMAPS} is missing")


def _check_ridge(bundle: Bundle, shapes: Shapes) -> None:
    """Check the arrays of a ridge model against the masks, since no network checks them."""
    if MEAN_STATMAPS not in bundle.card.sha256:
        raise _misfit(bundle.folder, f"a ridge model needs {MEAN_STATMAPS}, the maps that it deviates from")
    fault = ridge_shape_fault(shapes, bundle.card.architecture, int(bundle.output_mask.sum()))
    fault = fault or ridge_value_fault(bundle.folder / WEIGHTS)
    if fault:
        raise _misfit(bundle.folder, f"of the ridge model, {fault}")


def _check_mean_statmaps(folder: Path, n_contrasts: int) -> None:
    image = load_image(folder / MEAN_STATMAPS)
    if image.shape[3:] != (n_contrasts,):
        raise _misfit(folder, f"{MEAN_STATMAPS} has shape {image.shape}; expected {n_contrasts} maps")
    if not MODEL_GRID.fits(image.grid):
        raise _misfit(folder, _describe_misplaced(MEAN_STATMAPS, image.grid))


def _check_hashes(folder: Path, card: Card) -> None:
    if sorted(set(card.sha256) - set(OPTIONAL_FILES)) != sorted(FILES):
        raise _misfit(
            folder, f"the card has hashes of {sorted(card.sha256)}, but needs those of {sorted(FILES)}"
        )
    for name in card.sha256:
        path = folder / name
        if not path.is_file():
            raise _misfit(folder, f"{name} is missing")
        if file_sha256(path) != card.sha256[name]:
            raise _misfit(folder, f"the sha256 of {name} differs from that in the card")


def _weight_shapes(path: Path) -> Shapes:
    from safetensors import SafetensorError, safe_open

    try:
        with name_reason(path), safe_open(path, framework="np") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        message = f"{path}: cannot be read as safetensors ({error}). Fetch or import the model again."
        raise UserError(message) from error


def _read_mask(folder: Path, name: str) -> NDArray[np.bool_]:
    image = load_image(folder / name)
    if len(image.shape) != 3:
        raise _misfit(folder, f"{name} has {len(image.shape)} axes; a mask has 3")
    if not MODEL_GRID.fits(image.grid):
        raise _misfit(folder, _describe_misplaced(name, image.grid))
    mask: NDArray[np.bool_] = image.values(dtype=np.float64) != 0
    if not mask.any():
        raise _misfit(folder, f"{name} is empty")
    return mask


def _describe_misplaced(name: str, grid: Grid) -> str:
    return f"{name} is on {grid}, not on {MODEL_GRID}: it {describe_difference(grid, MODEL_GRID)}"


def _misfit(folder: Path, problem: str) -> UserError:
    return UserError(
        f"{folder}: the parts of this model do not fit together: {problem}.\nFetch or import the model again."
    )
