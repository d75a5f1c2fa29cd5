"""Sources of atlases: files, and names in TemplateFlow."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.filenames import BidsName, parse_name
from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.cohort_store.atlases.files import atlas_errors, atlas_path, open_atlas
from bids_deeptaskgen.cohort_store.atlases.images import RegionWeights, read_regions
from bids_deeptaskgen.cohort_store.atlases.names import read_region_names
from bids_deeptaskgen.cohort_store.atlases.space import MODEL_SPACE
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.io.checksum import file_sha256

logger = logging.getLogger("bids_deeptaskgen")

_EXTENSION = ".nii.gz"
_SUFFIXES = ("dseg", "probseg")
# Entities in names of files, with their names in calls of TemplateFlow.
_KEYWORDS = {
    "atlas": "atlas", "seg": "segmentation", "scale": "scale", "desc": "desc", "label": "label",
    "res": "resolution",
}  # fmt: skip
_IMAGE_NAME = re.compile(r"(?i).*\.(nii|nii\.gz|img|hdr|mgz|mgh|gii|mnc|tsv|txt|json|zip)")
_NAME = re.compile(r"[A-Za-z0-9_+-]+")
_RESOLUTIONS = (2, 1)


def load_atlas(source: str, mask: NDArray[np.bool_], parameter: str = "atlas") -> Atlas:
    """Load an atlas at the voxels of the maps.

    Parameters
    ----------
    source : str
        File of labels (3-D) or probabilities (4-D, in [0, 1] or percent), or name in TemplateFlow such as
        ``Schaefer2018_desc-100Parcels7Networks``.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.
    parameter : str
        Name of the option, for messages.

    Returns
    -------
    Atlas

    Raises
    ------
    UserError
        If TemplateFlow has no such atlas, several, or cannot fetch it, or the name of a file has no letter.
    InputError
        If the file cannot be used: another space, values that are neither labels nor probabilities, no voxel
        of the maps.
    """
    path = _find_file(source, parameter)
    label = atlas_label(path.name)
    if not label:
        message = (
            f"`{parameter}`: {path} has no letter or digit (A-Z, a-z, 0-9) in its name for the label of the "
            "atlas in file names.\nRename the file, with the table of its regions."
        )
        raise UserError(message)
    image = open_atlas(path, parameter)
    with atlas_errors():
        regions = read_regions(path, image.header, mask)
    names = read_region_names(path, regions.numbers, is_probabilistic=regions.is_probabilistic)
    _check_overlap(path, regions, names)
    return Atlas(
        label=label,
        source=source,
        sha256=file_sha256(path),
        numbers=regions.numbers,
        names=names,
        weights=regions.weights,
        total_weights=regions.total_weights,
        is_probabilistic=regions.is_probabilistic,
    )


def load_atlases(
    sources: Sequence[str], mask: NDArray[np.bool_], parameter: str = "atlas"
) -> tuple[Atlas, ...]:
    """Load several atlases at the voxels of the maps.

    Parameters
    ----------
    sources : sequence of str
        See `load_atlas`; repeated sources are loaded once.
    mask : boolean array of shape (91, 109, 91)
        Voxels of the maps, on ``OUTPUT_GRID``.
    parameter : str
        Name of the option, for messages.

    Returns
    -------
    tuple of Atlas

    Raises
    ------
    UserError
        As `load_atlas`, and if two atlases have the same label, on any file system.
    InputError
        As `load_atlas`.
    """
    atlases = tuple(load_atlas(source, mask, parameter) for source in dict.fromkeys(sources))
    source_of: dict[str, str] = {}
    for atlas in atlases:
        earlier_source = source_of.setdefault(atlas.label.lower(), atlas.source)
        if earlier_source != atlas.source:
            message = (
                f"`{parameter}`: {earlier_source} and {atlas.source} have the same label, {atlas.label}, in "
                "the names of their tables.\nLeave one out, or rename one of the files."
            )
            raise UserError(message)
    return atlases


def _check_overlap(path: Path, regions: RegionWeights, names: Sequence[str]) -> None:
    """Refuse an atlas without a voxel of the maps, and list the regions without one."""
    has_voxels = np.diff(regions.weights.indptr) > 0
    if not has_voxels.any():
        message = (
            f"{path}: no region of the atlas has a voxel of the maps.\n"
            f"Check that it is in {MODEL_SPACE}, and that it is an atlas of the brain."
        )
        raise InputError(message)
    if not has_voxels.all():
        lost_names = [name for name, has_voxel in zip(names, has_voxels, strict=True) if not has_voxel]
        logger.warning(
            "%s: %d of %d regions have no voxel of the maps: %s.",
            path, len(lost_names), len(names), abbreviate(lost_names),
        )  # fmt: skip


def atlas_label(file_name: str) -> str:
    """Return the label of an atlas in names of files.

    Parameters
    ----------
    file_name : str
        Name of its image.

    Returns
    -------
    str
        Letters and digits.

    Examples
    --------
    >>> atlas_label("tpl-MNI152NLin6Asym_res-02_atlas-HOCPAL_desc-th25_dseg.nii.gz")
    'HOCPALTh25'
    >>> atlas_label("HarvardOxford-cort-maxprob-thr25-2mm.nii.gz")
    'HarvardOxfordCortMaxprobThr252mm'
    """
    name = parse_name(file_name)
    parts = [value for key, value in name.entities if key in _KEYWORDS and key != "res"]
    if not parts:
        stem = file_name.partition(".")[0]
        parts = [part for part in stem.split("_") if not re.match("(?i)(space|tpl|res)-", part)]
    words = [word for part in parts for word in re.split("[^A-Za-z0-9]+", part) if word]
    return "".join(word if number == 0 else word[0].upper() + word[1:] for number, word in enumerate(words))


def _find_file(source: str, parameter: str) -> Path:
    """Return the file of an atlas; TemplateFlow downloads it if necessary."""
    path = atlas_path(source, parameter)
    if path.is_symlink() or path.exists() or len(Path(source).parts) != 1 or _IMAGE_NAME.fullmatch(source):
        return path
    return fetch_atlas(source, parameter)


class _Query(NamedTuple):
    """Name of an atlas in TemplateFlow: entities, and suffix (empty if not given)."""

    entities: dict[str, str]
    suffix: str

    def matches(self, name: BidsName) -> bool:
        """Return whether a file has these entities, whatever others it has."""
        values = dict(name.entities) | {"res": _number(name.get("res") or "")}
        return (not self.suffix or name.suffix == self.suffix) and self.entities.items() <= values.items()


def _number(label: str) -> str:
    return label.lstrip("0") or label


def _parse_source(source: str, parameter: str) -> _Query:
    """Parse a name such as ``Schaefer2018_desc-100Parcels7Networks``, with or without ``atlas-``."""
    parts = source.split("_")
    suffix = parts.pop() if len(parts) > 1 and parts[-1] in _SUFFIXES else ""
    pairs = [tuple(part.split("-", 1)) if "-" in part else ("atlas", part) for part in parts]
    entities = {key: value for key, value in pairs if key not in ("tpl", "space")}
    spaces = {value for key, value in pairs if key in ("tpl", "space")}
    has_atlas = [key for key, _ in pairs].count("atlas") == 1
    if not has_atlas or not entities.keys() <= _KEYWORDS.keys() or not _NAME.fullmatch(source):
        message = (
            f"`{parameter}`: {source} is neither a file nor a name of TemplateFlow such as "
            f"Schaefer2018_desc-100Parcels7Networks (entities: {', '.join(_KEYWORDS)}).\n"
            "Correct the path or the name."
        )
        raise UserError(message)
    if spaces - {MODEL_SPACE}:
        message = (
            f"`{parameter}`: {source} is in {', '.join(sorted(spaces))}, but the maps are in {MODEL_SPACE}.\n"
            f"Leave out the space, to use the atlas in {MODEL_SPACE}."
        )
        raise UserError(message)
    if "res" in entities:
        entities["res"] = _number(entities["res"])
    return _Query(entities, suffix)


def fetch_atlas(source: str, parameter: str = "atlas") -> Path:
    """Fetch an atlas from TemplateFlow.

    Parameters
    ----------
    source : str
        Name, such as ``Schaefer2018_desc-100Parcels7Networks``.
    parameter : str
        Name of the option, for messages.

    Returns
    -------
    Path
        In ``TEMPLATEFLOW_HOME``.

    Raises
    ------
    UserError
        If the name fits no or several atlases, or the file cannot be fetched; the message says what to bring.
    """
    query = _parse_source(source, parameter)
    try:
        # Its import writes to TEMPLATEFLOW_HOME and fails in many ways without a network.
        from templateflow import api

        paths = [Path(path) for path in api.ls(MODEL_SPACE, extension=_EXTENSION)]
    except Exception as reason:
        raise UserError(_explain_absence(source, parameter, query, reason)) from reason
    path = choose_file(source, query, paths, parameter)
    name = parse_name(path.name)
    keywords = _keywords(name)
    try:
        result = api.get(MODEL_SPACE, **keywords)
    except Exception as reason:
        raise UserError(_explain_absence(source, parameter, query, reason, path)) from reason
    results = [Path(item) for item in (result if isinstance(result, list) else [result])]
    if path not in results or path.stat().st_size == 0:
        raise UserError(_explain_absence(source, parameter, query, "the file is empty", path))
    return path


def choose_file(source: str, query: _Query, paths: Sequence[Path], parameter: str) -> Path:
    """Choose the file of an atlas: that of 2 mm, else of 1 mm, else of another resolution.

    Parameters
    ----------
    source : str
        For messages.
    query : _Query
    paths : sequence of Path
        Files of the template.
    parameter : str
        For messages.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        If the name fits no or several atlases.
    """
    names = {path: parse_name(path.name) for path in paths}
    names = {path: name for path, name in names.items() if name.suffix in _SUFFIXES and name.get("atlas")}
    matches: dict[str, list[Path]] = {}
    for path, name in names.items():
        if query.matches(name):
            matches.setdefault(_typed_name(name), []).append(path)
    if len(matches) != 1:
        same_atlas = {
            _typed_name(name) for name in names.values() if name.get("atlas") == query.entities.get("atlas")
        }
        atlases = {str(name.get("atlas")) for name in names.values()}
        kind, choices = ("images", same_atlas) if same_atlas else ("atlases", atlases)
        problem = "several atlases" if matches else "no atlas"
        message = (
            f"`{parameter}`: {source} fits {problem} of TemplateFlow in {MODEL_SPACE}.\n"
            f"Choose one of its {kind}: {', '.join(sorted(matches or choices)) or 'none are known'}.\n"
            "Or give a file; an update of templateflow may know more."
        )
        raise UserError(message)
    return min(next(iter(matches.values())), key=lambda path: _resolution_order(names[path]))


def _resolution_order(name: BidsName) -> tuple[int, str]:
    label = _number(name.get("res") or "")
    order = [str(number) for number in _RESOLUTIONS]
    return (order.index(label) if label in order else len(order)), label


def _typed_name(name: BidsName) -> str:
    """Return the name of an atlas as a user types it."""
    pairs = sorted(name.entities_without(("tpl", "res")), key=lambda pair: pair[0] != "atlas")
    return "_".join([*(value if key == "atlas" else f"{key}-{value}" for key, value in pairs), name.suffix])


def _keywords(name: BidsName) -> dict[str, str | int | None]:
    """Return the arguments of TemplateFlow that fit one file only."""
    keywords: dict[str, str | int | None] = {
        word: name.get(key) for key, word in _KEYWORDS.items() if key in ("atlas", "desc") or name.get(key)
    }
    if name.get("res"):
        keywords["resolution"] = int(str(name.get("res")))
    return keywords | {"suffix": name.suffix, "extension": _EXTENSION}


def _explain_absence(
    source: str, parameter: str, query: _Query, reason: object, path: Path | None = None
) -> str:
    """Explain what to bring for an atlas that TemplateFlow cannot fetch."""
    cause = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
    if path:
        file, folder = path.name, str(path.parent)
        keywords: dict[str, object] = dict(_keywords(parse_name(path.name)))
    else:
        keywords = {_KEYWORDS[key]: value for key, value in query.entities.items()}
        keywords |= {"suffix": query.suffix or list(_SUFFIXES), "extension": _EXTENSION}
        file, folder = "the file", f"$TEMPLATEFLOW_HOME/tpl-{MODEL_SPACE}"
    arguments = ", ".join(f"{key}={value!r}" for key, value in keywords.items())
    return (
        f"`{parameter}`: TemplateFlow cannot fetch {source}: {' '.join(cause.split())}\n"
        f'On a machine with a network, run: python -c "from templateflow import api; print(api.get('
        f"'{MODEL_SPACE}', {arguments}))\"\n"
        f"Then copy {file} to {folder}/ here, or give `{parameter}` the path of the file (with its table of "
        "names, .tsv, in the same folder)."
    )
