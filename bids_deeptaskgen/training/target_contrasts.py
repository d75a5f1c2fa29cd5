"""Choose the contrasts that a network is trained on."""

import re
from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.measured_maps import find_statmaps
from bids_deeptaskgen.errors import InputError, shown
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
    source: Path, known: Sequence[Contrast], wanted: Sequence[str]
) -> tuple[Contrast, ...]:
    """Choose what a new last layer predicts.

    Parameters
    ----------
    source : Path
        Dataset of task maps or table of their paths.
    known : sequence of Contrast
        Those whose published names are known; maps may have them in other spellings.
    wanted : sequence of str
        Labels, published names or tasks; all that are measured if empty.

    Returns
    -------
    tuple of Contrast
        Known ones in their order, then others in the order of the files.

    Raises
    ------
    UserError
        If something is wanted that is neither known nor measured.
    """
    spellings = contrast_spellings(known)
    measured: dict[str, Contrast] = {}
    for file in find_statmaps(source):
        task = parse_name(file.path.name).get("task") or ""
        label = find_contrast(spellings, file.contrast, task)
        if label is None:
            label = file.contrast if re.fullmatch("[0-9A-Za-z]+", file.contrast) else _label(file.contrast)
            measured.setdefault(label, Contrast(label, file.contrast, task.upper()))
        else:
            measured.setdefault(label, next(one for one in known if one.label == label))
    others = [one for one in measured.values() if one not in known]
    if not wanted:
        return tuple(one for one in known if one.label in measured) + tuple(others)
    there = shown(sorted(measured))
    chosen = choose_contrasts(
        (*known, *others), wanted, whose="task maps and models have", listed=f"Measured: {there}."
    )
    return tuple(one for one in (*known, *others) if one.label in chosen)


def _label(name: str) -> str:
    """Make a label of a name in a table of paths, which may hold anything."""
    label = re.sub("[^0-9A-Za-z]", "", contrast_label(name))
    if not label:
        message = f"A contrast is called {name!r}; letters and digits are wanted.\nMend the table of paths."
        raise InputError(message)
    return label


def known_contrasts(bundle: Bundle) -> tuple[Contrast, ...]:
    """List the contrasts of a model, and the published ones that it does not have."""
    own = {one.label: one for one in bundle.card.contrasts}
    return (*own.values(), *(one for one in load_contrasts() if one.label not in own))


def parents_contrasts(bundle: Bundle, source: Path, wanted: Sequence[str]) -> tuple[Contrast, ...]:
    """Choose which of a model's outputs are trained on: those wanted, or those that are measured."""
    if wanted:
        labels = choose_contrasts(bundle.card.contrasts, wanted)
    else:
        labels = tuple(file.contrast for file in find_statmaps(source, bundle.card.contrasts))
    return tuple(one for one in bundle.card.contrasts if one.label in labels)
