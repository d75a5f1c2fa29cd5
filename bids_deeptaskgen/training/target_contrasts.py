"""Choose the contrasts that a network is trained on."""

import re
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.errors import InputError, abbreviate
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.models.contrasts import (
    Contrast,
    choose_contrasts,
    contrast_label,
    contrast_spellings,
    find_contrast,
    load_contrasts,
)


def measured_contrasts(
    source: Path, model_contrasts: Sequence[Contrast], words: Sequence[str]
) -> tuple[Contrast, ...]:
    """Choose the contrasts of a new last layer.

    Parameters
    ----------
    source : Path
        Dataset of measured maps, or table of their paths.
    model_contrasts : sequence of Contrast
        Contrasts with published names, which maps may spell differently.
    words : sequence of str
        Labels, published names or tasks; all measured contrasts if empty.

    Returns
    -------
    tuple of Contrast
        Those of `model_contrasts` in their order, then further ones in the order of the files.

    Raises
    ------
    UserError
        If a word matches neither a model's nor a measured contrast.
    """
    spellings = contrast_spellings(model_contrasts)
    measured: dict[str, Contrast] = {}
    for file in find_statmaps(source):
        task = parse_name(file.path.name).get("task") or ""
        label = find_contrast(spellings, file.contrast, task)
        if label is None:
            label = file.contrast if re.fullmatch("[0-9A-Za-z]+", file.contrast) else _label(file.contrast)
            measured.setdefault(label, Contrast(label, file.contrast, task.upper()))
        else:
            measured.setdefault(
                label, next(contrast for contrast in model_contrasts if contrast.label == label)
            )
    further = [contrast for contrast in measured.values() if contrast not in model_contrasts]
    if not words:
        return tuple(contrast for contrast in model_contrasts if contrast.label in measured) + tuple(further)
    contrasts = (*model_contrasts, *further)
    labels = choose_contrasts(
        contrasts,
        words,
        source="task maps and models have",
        hint=f"Measured: {abbreviate(sorted(measured))}.",
    )
    return tuple(contrast for contrast in contrasts if contrast.label in labels)


def _label(name: str) -> str:
    """Convert the name of a contrast in a table of paths to a label."""
    label = re.sub("[^0-9A-Za-z]", "", contrast_label(name))
    if not label:
        message = f"Contrast {name!r} has no letters or digits. Correct its name in the table of paths."
        raise InputError(message)
    return label


def known_contrasts(bundle: Bundle) -> tuple[Contrast, ...]:
    """List the contrasts of a model, then the published contrasts that it does not have.

    Parameters
    ----------
    bundle : Bundle
        The model.

    Returns
    -------
    tuple of Contrast
        Each label occurs once.
    """
    labels = {contrast.label for contrast in bundle.card.contrasts}
    further = (contrast for contrast in load_contrasts() if contrast.label not in labels)
    return (*bundle.card.contrasts, *further)


def parents_contrasts(bundle: Bundle, source: Path, words: Sequence[str]) -> tuple[Contrast, ...]:
    """Choose the outputs of a model to train.

    Parameters
    ----------
    bundle : Bundle
    source : Path
        Dataset of measured maps, or table of their paths.
    words : sequence of str
        Labels, published names or tasks; all measured contrasts if empty.

    Returns
    -------
    tuple of Contrast
        In the order of the model.
    """
    if words:
        labels = choose_contrasts(bundle.card.contrasts, words)
    else:
        labels = tuple(file.contrast for file in find_statmaps(source, bundle.card.contrasts))
    return tuple(contrast for contrast in bundle.card.contrasts if contrast.label in labels)
