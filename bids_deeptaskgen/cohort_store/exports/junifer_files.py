"""Files of a junifer pipeline: the pipeline, its elements, and the module of its parcellation."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from bids_deeptaskgen.cohort_store.exports.junifer_definition import (
    Definition,
    pipeline_content,
)
from bids_deeptaskgen.cohort_store.exports.junifer_parcellation import MODULE, Parcellation, module_text
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import remove_stale_files, write_text
from bids_deeptaskgen.io.tsv import write_tsv

_HEADS = {
    "3d": "A map is declared as T1w: junifer has no type for statistical maps, and its markers accept only\n"
    "# its own types. Elements: {keys}.",
    "4d": "An image of all contrasts is declared as BOLD: junifer has no type for it. Its volumes are\n"
    "# contrasts, not time points ({name}_volumes.tsv), so markers over time have no meaning.\n"
    "# Elements: {keys}.",
}

# All files of an export.
_PIPELINES = "pipeline*.yaml"
_PATTERNS = (_PIPELINES, "pipeline*_elements.csv", "pipeline*_volumes.tsv", MODULE)


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder with a pipeline that is not to be replaced.

    Parameters
    ----------
    folder : Path
    overwrite : bool

    Raises
    ------
    UserError
    """
    if not overwrite and any(folder.glob(_PIPELINES)):
        message = f"{folder}: has a pipeline. Choose another `out`, or replace the pipeline with `overwrite`."
        raise UserError(message)


def _remove_files(folder: Path) -> None:
    """Remove the files of an earlier export: it may have had other pipelines, or a parcellation."""
    if not any(folder.glob(_PIPELINES)):
        return
    for pattern in _PATTERNS:
        for path in folder.glob(pattern):
            path.unlink()


def write_definitions(
    folder: Path,
    dataset: Path,
    definitions: Sequence[Definition],
    mask: str | None,
    parcellation: Parcellation,
) -> list[tuple[Path, Path]]:
    """Write the files of pipelines.

    Parameters
    ----------
    folder : Path
        Folder of the files; it is created. Files of an earlier export are removed.
    dataset : Path
        Root of the output dataset.
    definitions : sequence of Definition
    mask : str or None
        Path of the mask in the dataset.
    parcellation : Parcellation

    Returns
    -------
    list of (Path, Path)
        Pipeline, and table of its elements.
    """
    _remove_files(folder)
    remove_stale_files(folder, recursive=False)
    if parcellation.module:
        write_text(folder / parcellation.module, module_text(parcellation))
    paths = []
    for definition in definitions:
        elements = folder / f"{definition.name}_elements.csv"
        write_text(elements, "".join(f"{','.join(element)}\n" for element in definition.elements))
        if definition.layout == "4d":
            columns = {"volume": range(len(definition.contrasts)), "contrast": definition.contrasts}
            write_tsv(folder / f"{definition.name}_volumes.tsv", columns)
        content = pipeline_content(definition, dataset, folder, mask, parcellation)
        head = _HEADS[definition.layout].format(keys=", ".join(definition.keys), name=definition.name)
        path = folder / f"{definition.name}.yaml"
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        write_text(path, f"# Predicted maps of bids_deeptaskgen for junifer.\n# {head}\n{text}")
        paths.append((path, elements))
    return paths
