"""Pipelines of junifer that read the predicted maps: a DataGrabber by file patterns, and an example marker.

junifer has no type for statistical maps, and its markers accept none but its own types. A map is declared as
``T1w``: one volume in a template space, with a mask that markers can inherit. An image of all contrasts is
declared as ``BOLD``, so that each volume, one contrast, is a row of the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.cohort_store.exports.junifer_parcellation import Parcellation
from bids_deeptaskgen.errors import InputError

SPACE = "MNI152NLin6Asym"
TYPE_BY_LAYOUT = {"3d": "T1w", "4d": "BOLD"}
MARKER = "DeepTaskGen"
# Entities that may differ between the files of one definition.
_FREE_ENTITIES = ("task", "dir", "run")


@dataclass(frozen=True)
class Definition:
    """Pipeline for files with the same entities.

    Attributes
    ----------
    name : str
        Name of its files, such as ``pipeline``.
    layout : {"3d", "4d"}
    keys : tuple of str
        Names of the values of an element, such as ``subject``, ``session``, ``task``, ``contrast``.
    elements : tuple of tuple of str
        The maps of the dataset.
    pattern : str
        Path of a map in the dataset, with the names of `keys` in braces.
    contrasts : tuple of str
        Labels of the maps; of a 4-D image, in the order of its volumes.
    """

    name: str
    layout: str
    keys: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...]
    pattern: str
    contrasts: tuple[str, ...]


def make_definitions(results: Sequence[Result], contrasts: Sequence[str] = ()) -> list[Definition]:
    """Describe the maps of sessions by patterns of their paths.

    Parameters
    ----------
    results : sequence of Result
        Sessions and runs of one task, acquisition, model and settings.
    contrasts : sequence of str
        Labels of the requested contrasts; empty for all.

    Returns
    -------
    list of Definition
        One for each combination of entities and layout: only some participants may have sessions or runs.

    Raises
    ------
    InputError
        If 4-D images differ in their contrasts, or contrasts of 4-D images are requested.
    """
    shapes: dict[tuple[str, tuple[str, ...]], list[Result]] = {}
    for result in results:
        session = ("session",) if result.session else ()
        keys = ("subject", *session, *(key for key, _ in result.entities if key in _FREE_ENTITIES))
        shapes.setdefault((result.maps.layout, keys), []).append(result)
    definitions = []
    for (layout, keys), members in sorted(shapes.items()):
        name = "pipeline" if len(shapes) == 1 else f"pipeline_{layout}_{'_'.join(keys)}"
        make = _define_3d if layout == "3d" else _define_4d
        definitions.append(make(name, keys, members, contrasts))
    return definitions


def _define_3d(
    name: str, keys: tuple[str, ...], results: Sequence[Result], contrasts: Sequence[str]
) -> Definition:
    labels = dict.fromkeys(label for result in results for label in result.maps.contrasts)
    elements = [
        (*_values(result, keys), label)
        for result in results
        for label in result.maps.contrasts
        if not contrasts or label in contrasts
    ]
    return Definition(
        name=name,
        layout="3d",
        keys=(*keys, "contrast"),
        elements=tuple(elements),
        pattern=_pattern(results[0], keys, "statmap", contrast="{contrast}"),
        contrasts=tuple(label for label in labels if not contrasts or label in contrasts),
    )


def _define_4d(
    name: str, keys: tuple[str, ...], results: Sequence[Result], contrasts: Sequence[str]
) -> Definition:
    orders = {result.maps.contrasts for result in results}
    if len(orders) > 1:
        message = (
            f"The 4-D images have different contrasts ({len(orders)} lists), so their volumes have no common "
            "names. Repeat the participant level with --map-format 3d."
        )
        raise InputError(message)
    if contrasts:
        message = (
            "4-D images are read as a whole, so `contrasts` does not apply. Remove it, or repeat the "
            "participant level with --map-format 3d."
        )
        raise InputError(message)
    return Definition(
        name=name,
        layout="4d",
        keys=keys,
        elements=tuple(_values(result, keys) for result in results),
        pattern=_pattern(results[0], keys, "statmaps"),
        contrasts=orders.pop(),
    )


def _values(result: Result, keys: Sequence[str]) -> tuple[str, ...]:
    values = {"subject": result.subject, "session": result.session or "", **dict(result.entities)}
    return tuple(values[key] for key in keys)


def _pattern(result: Result, keys: Sequence[str], kind: str, **labels: str) -> str:
    entities = [(key, f"{{{key}}}" if key in keys else value) for key, value in result.entities]
    session = "{session}" if "session" in keys else None
    return output_path(
        Path(), kind, subject="{subject}", session=session, entities=entities, **labels
    ).as_posix()


def pipeline_content(
    definition: Definition, dataset: Path, folder: Path, mask: str | None, parcellation: Parcellation
) -> dict[str, Any]:
    """Return the content of a pipeline file.

    Parameters
    ----------
    definition : Definition
    dataset : Path
        Root of the output dataset.
    folder : Path
        Folder of the pipeline.
    mask : str or None
        Path of the mask of the maps in the dataset, None if there is none.
    parcellation : Parcellation
        Parcellation of the example.

    Returns
    -------
    dict
        Content of a YAML file.
    """
    image: dict[str, Any] = {"pattern": definition.pattern, "space": SPACE}
    if mask:
        image["mask"] = {"pattern": mask, "space": SPACE}
    data_type = TYPE_BY_LAYOUT[definition.layout]
    values: dict[str, list[str] | None] = dict.fromkeys(definition.keys)
    values["task"] = sorted({element[definition.keys.index("task")] for element in definition.elements})
    if "contrast" in values:
        values["contrast"] = sorted(definition.contrasts)
    marker = {
        "name": f"{MARKER}_{parcellation.name}",
        "kind": "ParcelAggregation",
        "parcellation": parcellation.name,
        "method": "mean",
        "on": data_type,
        **({"masks": "inherit"} if mask else {}),
    }
    return {
        **({"with": [parcellation.module]} if parcellation.module else {}),
        "workdir": str(folder / "work"),
        "datagrabber": {
            "kind": "PatternDataGrabber",
            "types": [data_type],
            "datadir": str(dataset),
            "patterns": {data_type: image},
            "replacements": values,
        },
        "markers": [marker],
        # A file for each element, so that jobs may run at once; `junifer collect` joins them.
        "storage": {
            "kind": "HDF5FeatureStorage",
            "uri": f"{definition.name}.hdf5",
            "single_output": False,
        },
    }
