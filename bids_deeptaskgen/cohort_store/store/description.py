"""Description of a cohort store: model, settings, contrasts, mask and grid."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.cohort_store.store.layout import (
    ATTRIBUTES,
    FORMAT_VERSION,
    MAPS,
    MASK,
    ROI_CONNECTOMES,
    contrasts_path,
)
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.grid import OUTPUT_GRID, Grid
from bids_deeptaskgen.io.tsv import join_columns, read_tsv, write_tsv

# Bytes of the values of a shard, at most, if it has several rows. A task holds one shard in memory.
MAX_SHARD_BYTES = 256 * 2**20
# Few contrasts are divided into several shards, too, so that several tasks can write.
MAX_SHARD_ROWS = 256
_NO_SETTING = "not set"
_ANOTHER_STORE = "Choose another folder for these maps"


@dataclass(frozen=True)
class StoreDescription:
    """What all maps of a store share.

    Attributes
    ----------
    contrasts : tuple of dict
        ``label`` and further columns of the table of contrasts.
    mask : boolean array of shape (i, j, k)
        Voxels of the maps.
    grid : Grid
        Grid of the mask.
    model : dict
        ``Model`` of the sidecar of a map: name, hashes of the weights and of the mask.
    settings : dict
        Settings that affect the maps.
    settings_hash : str
        Hash of the settings and the weights.
    entities : tuple of (str, str)
        Entities that all maps share, e.g. ``("task", "rest")``.
    precision : {"float32", "float16"}
    n_rois : int
        Number of ROIs of the connectomes; 0 without.
    rows_per_shard : int
        0 for as many rows as ``MAX_SHARD_BYTES`` and ``MAX_SHARD_ROWS`` allow.
    """

    contrasts: tuple[Mapping[str, Any], ...]
    mask: NDArray[np.bool_]
    grid: Grid = OUTPUT_GRID
    model: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_hash: str = ""
    entities: tuple[tuple[str, str], ...] = ()
    precision: str = "float32"
    n_rois: int = 0
    rows_per_shard: int = 0

    def __post_init__(self) -> None:
        if not self.rows_per_shard:
            n_rows = min(max(1, MAX_SHARD_BYTES // self.row_bytes), MAX_SHARD_ROWS)
            object.__setattr__(self, "rows_per_shard", n_rows)

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels of the contrasts."""
        return tuple(str(row["label"]) for row in self.contrasts)

    @cached_property
    def n_voxels(self) -> int:
        """Return the number of voxels of the mask."""
        return int(self.mask.sum())

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the stored values."""
        return np.dtype(self.precision)

    @property
    def map_bytes(self) -> int:
        """Return the bytes of the maps of a row, without compression."""
        return max(1, len(self.contrasts) * self.n_voxels * self.dtype.itemsize)

    @property
    def row_bytes(self) -> int:
        """Return the bytes of the maps and the ROI connectome of a row, without compression."""
        return self.map_bytes + 4 * self.n_rois**2

    @cached_property
    def mask_sha256(self) -> str:
        """Return the hash of the voxels of the mask."""
        shape = "x".join(map(str, self.mask.shape))
        return hashlib.sha256(shape.encode() + np.packbits(self.mask).tobytes()).hexdigest()

    def n_shards(self, n_rows: int) -> int:
        """Return the number of shards of a number of rows.

        Parameters
        ----------
        n_rows : int

        Returns
        -------
        int
        """
        return -(-n_rows // self.rows_per_shard)

    def shard_rows(self, shard: int, n_rows: int) -> range:
        """Return the rows of a shard.

        Parameters
        ----------
        shard : int
            From 0.
        n_rows : int
            Number of rows of the store.

        Returns
        -------
        range
        """
        start = shard * self.rows_per_shard
        return range(start, min(start + self.rows_per_shard, n_rows))

    def to_attributes(self, software_version: str) -> dict[str, Any]:
        """Return the attributes of the Zarr group.

        Parameters
        ----------
        software_version : str

        Returns
        -------
        dict
            JSON values.
        """
        return {
            "FormatVersion": FORMAT_VERSION,
            "SoftwareVersion": software_version,
            "Model": dict(self.model),
            "SettingsHash": self.settings_hash,
            "Settings": dict(self.settings),
            "Entities": dict(self.entities),
            "Space": "MNI152NLin6Asym",
            "Shape": list(self.grid.shape),
            "Affine": [list(row) for row in self.grid.affine],
            "MaskSha256": self.mask_sha256,
            "Units": sorted({str(row["units"]) for row in self.contrasts if row.get("units")}),
            "Precision": self.precision,
            "NumberOfRois": self.n_rois,
            "RowsPerShard": self.rows_per_shard,
        }


def write_contrasts(store: Path, contrasts: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of contrasts.

    Parameters
    ----------
    store : Path
        Folder of the store.
    contrasts : sequence of dict
    """
    write_tsv(contrasts_path(store), join_columns([dict(row) for row in contrasts]))


def is_store(folder: Path) -> bool:
    """Return whether a folder holds a cohort store.

    Parameters
    ----------
    folder : Path
        May not exist.

    Returns
    -------
    bool
    """
    return contrasts_path(folder).is_file()


def read_description(store: Path) -> StoreDescription:
    """Read the description of a store.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    StoreDescription

    Raises
    ------
    UserError
        If the folder is not a cohort store, or a later version wrote it.
    InputError
        If the description is damaged.
    """
    import zarr

    if not is_store(store):
        problem = "is not a cohort store" if store.exists() else "does not exist"
        message = f"{store}: {problem}. Create a store with `deeptaskgen store pack OUTPUT_DIR {store}`."
        raise UserError(message)
    try:
        group = zarr.open_group(store, mode="r")
        fields: Any = group.attrs[ATTRIBUTES]
        version = int(fields["FormatVersion"])
        if version > FORMAT_VERSION:
            message = (
                f"{store}: has format version {version}; this version of the software reads versions up to "
                f"{FORMAT_VERSION}. Update bids-deeptaskgen."
            )
            raise UserError(message)
        shape = tuple(fields["Shape"])
        mask = np.asarray(group[MASK], bool)
        description = StoreDescription(
            contrasts=tuple(read_tsv(contrasts_path(store))),
            mask=mask,
            grid=Grid.from_image(shape, np.array(fields["Affine"])),
            model=fields["Model"],
            settings=fields["Settings"],
            settings_hash=str(fields["SettingsHash"]),
            entities=tuple(fields["Entities"].items()),
            precision=str(fields["Precision"]),
            n_rois=int(fields["NumberOfRois"]),
            rows_per_shard=int(fields["RowsPerShard"]),
        )
        _check_parts(store, description, fields, group)
    except (KeyError, TypeError, ValueError, AttributeError, FileNotFoundError, RuntimeError) as error:
        message = (
            f"{store}: its description is damaged ({type(error).__name__}: {error}). Delete the folder and "
            "pack the store again."
        )
        raise InputError(message) from error
    return description


def hash_contrasts(store: Path) -> str:
    """Hash the table of contrasts.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    str
        64 hexadecimal digits (sha256).
    """
    return hashlib.sha256(contrasts_path(store).read_bytes()).hexdigest()


def _check_parts(store: Path, description: StoreDescription, fields: Mapping[str, Any], group: Any) -> None:
    """Compare the mask, the table of contrasts and the arrays with the attributes."""
    if description.mask_sha256 != fields["MaskSha256"]:
        message = f"the mask has the hash {description.mask_sha256[:12]}, not {fields['MaskSha256'][:12]}"
        raise ValueError(message)
    if (sha256 := hash_contrasts(store)) != fields["ContrastsSha256"]:
        path = contrasts_path(store)
        message = f"{path} has the hash {sha256[:12]}, not {fields['ContrastsSha256'][:12]}"
        raise ValueError(message)
    n_rois, n_rows = description.n_rois, description.rows_per_shard
    if bool(n_rois) != (ROI_CONNECTOMES in group):
        message = f"the array {ROI_CONNECTOMES} of {n_rois} ROIs exists, or is missing"
        raise ValueError(message)
    expected = {MAPS: ((len(description.contrasts), description.n_voxels), description.dtype)}
    if n_rois:
        expected[ROI_CONNECTOMES] = ((n_rois, n_rois), np.dtype(np.float32))
    for name, (shape, dtype) in expected.items():
        array = group[name]
        if (array.shape[1:], array.dtype, array.shards) != (shape, dtype, (n_rows, *shape)):
            message = f"the array {name} has {array.dtype} values of the shape {array.shape}"
            raise ValueError(message)


def refuse_difference(store: Path, existing: StoreDescription, added: StoreDescription) -> None:
    """Refuse maps that differ from those of a store in model, mask, settings, contrasts or task.

    Parameters
    ----------
    store : Path
        Folder of the store.
    existing : StoreDescription
        Description of the store.
    added : StoreDescription
        Description of the maps to add.

    Raises
    ------
    UserError
    """
    difference = next(_differences(existing, added), None)
    if difference is not None:
        message = f"{store}: {difference}"
        raise UserError(message)


def _differences(existing: StoreDescription, added: StoreDescription) -> Any:
    weights = [str(item.model.get("WeightsSha256")) for item in (existing, added)]
    if weights[0] != weights[1]:
        models = [
            f"{item.model.get('Name')} (weights {sha256[:12]})"
            for item, sha256 in zip((existing, added), weights, strict=True)
        ]
        yield f"holds maps of the model {models[0]}; these maps are of {models[1]}. {_ANOTHER_STORE}."
    if not existing.grid.fits(added.grid):
        yield f"its maps have {existing.grid}; these maps have {added.grid}. {_ANOTHER_STORE}."
    if existing.mask_sha256 != added.mask_sha256:
        yield (
            f"its mask has {existing.n_voxels} voxels (hash {existing.mask_sha256[:12]}); the mask of these "
            f"maps has {added.n_voxels} (hash {added.mask_sha256[:12]}). {_ANOTHER_STORE}."
        )
    if existing.settings_hash != added.settings_hash:
        yield (
            f"holds maps of other settings ({_settings_difference(existing, added)}). {_ANOTHER_STORE}, or "
            "repeat the participant level with the settings of the store."
        )
    if existing.entities != added.entities:
        names = [" ".join(map("-".join, item.entities)) for item in (existing, added)]
        yield f"holds maps of {names[0]}; these maps are of {names[1]}. {_ANOTHER_STORE}."
    # Another order is that of a process which has created the store at the same time.
    if set(existing.labels) != set(added.labels):
        yield (
            f"has {quantity(len(existing.labels), 'contrast')} ({abbreviate(existing.labels)}); "
            f"those to pack are {abbreviate(added.labels)}. {_ANOTHER_STORE}, or pack all contrasts of the "
            "store."
        )
    # Maps without ROI connectomes may be added to others.
    if added.n_rois not in (0, existing.n_rois):
        sizes = (
            f"has ROI connectomes of {existing.n_rois} ROIs" if existing.n_rois else "has no ROI connectomes"
        )
        yield f"{sizes}, not of {added.n_rois}, as these maps have. {_ANOTHER_STORE}."
    if existing.precision != added.precision:
        yield (
            f"has {existing.precision} values, not {added.precision}. Omit `precision`, or choose another "
            "folder."
        )


def _settings_difference(existing: StoreDescription, added: StoreDescription) -> str:
    names = sorted({*existing.settings, *added.settings})
    values = [[item.settings.get(name, _NO_SETTING) for item in (existing, added)] for name in names]
    words = [
        f"{name}: {pair[0]} in the store, {pair[1]} here"
        for name, pair in zip(names, values, strict=True)
        if pair[0] != pair[1]
    ]
    hashes = f"hash {existing.settings_hash[:12]} in the store, {added.settings_hash[:12]} here"
    return "; ".join([*words, hashes])
