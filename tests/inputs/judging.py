"""The law of altered datasets, applied to an outcome.

A change that preserves the meaning gives the same maps or a clear refusal. A change that damages the data
gives a refusal or a warning that names the alteration. No change gives a traceback, or loses a participant.
"""

from dataclasses import dataclass

import numpy as np

SAME, REFUSED, WARNED, VIOLATION = "same maps", "refused", "warned", "violations"
# Words of libraries, which no sentence for users contains.
_LIBRARY_WORDS = (
    "Traceback",
    "Errno",
    "codec",
    "NoneType",
    "dtype",
    "Exception",
    "could not convert",
    "object at",
)


@dataclass(frozen=True)
class Verdict:
    """Class of an outcome.

    Attributes
    ----------
    outcome : str
        ``SAME``, ``REFUSED``, ``WARNED`` or ``VIOLATION``.
    problem : str
        Of a violation.
    """

    outcome: str
    problem: str = ""


def judge(recipe, data, outcome, base, *, sees_volumes):
    """Compare an outcome with that of the unaltered dataset, and apply the law.

    Parameters
    ----------
    recipe : Recipe
    data : Dataset
        The altered dataset.
    outcome, base : Outcome
    sees_volumes : bool
        Whether the volumes were read, so that damage to them is to be found.
    """
    alterations = recipe.alterations
    if outcome.crash:
        return Verdict(VIOLATION, f"crash: {outcome.crash}")
    if lost := _lost_folders(data, outcome):
        return Verdict(VIOLATION, f"no row for {lost}")
    folder = str(data.root.parent)
    news = [message for message in outcome.warnings if message not in base.warnings]
    told = "\n".join([outcome.refusal, *news]).replace(folder, "").lower()
    if unclear := _unclear(outcome, news, folder):
        return Verdict(VIOLATION, unclear)
    if outcome.refusal or outcome.is_excluded:
        return _judge_refusal(recipe, told)
    sought = [a for a in alterations if sees_volumes or not a.needs_volumes]
    unnamed = [a.name for a in sought if a.is_always_told and not _is_named(a, told)]
    # Maps are compared exactly; sums of the readers' values may differ in their last digits.
    tolerance = max((a.tolerance for a in alterations), default=0)
    if is_same(outcome, base, max(tolerance, 0 if sees_volumes else 1e-6)):
        if unnamed:
            return Verdict(VIOLATION, f"not named: {', '.join(unnamed)}; warnings: {news}")
        return Verdict(SAME)
    damage = [a for a in alterations if not a.preserves]
    if not damage:
        return Verdict(VIOLATION, f"other values: {_difference(outcome, base)}; warnings: {news}")
    # Damage within a tolerance does not explain that values differ if there is other damage.
    explaining = [a for a in damage if not a.tolerance] or damage
    # Without the volumes, damage that only these show explains the values, and need not be named.
    is_hidden = any(a not in sought for a in explaining)
    unnamed = [] if is_hidden else [a.name for a in explaining if not _is_named(a, told)]
    if unnamed:
        difference = _difference(outcome, base)
        return Verdict(VIOLATION, f"not named: {', '.join(unnamed)}; {difference}; warnings: {news}")
    return Verdict(WARNED)


def _judge_refusal(recipe, told):
    alterations = recipe.alterations
    if len(alterations) == 1 and alterations[0].is_readable and not recipe.has_custom:
        return Verdict(VIOLATION, f"refused: {told}")
    damage = [a for a in alterations if not a.preserves]
    is_due_to_damage = damage and all(a.is_readable or not a.preserves for a in alterations)
    if is_due_to_damage and not recipe.has_custom and not any(_is_named(a, told) for a in damage):
        return Verdict(VIOLATION, f"refused, but not for the damage: {told}")
    return Verdict(REFUSED)


def _is_named(alteration, told):
    return any(word in told for word in alteration.words)


def _lost_folders(data, outcome):
    """Return the participants' folders that no row and no message mentions."""
    if outcome.refusal and not outcome.rows:
        return []  # The whole dataset was refused.
    told = "\n".join([outcome.rows, outcome.refusal, *outcome.warnings])
    folders = [path.name for path in data.root.glob("sub-*") if path.is_dir()]
    return [name for name in folders if name not in told]


def _unclear(outcome, news, folder):
    """Return why the messages are no sentences for users; empty if they are."""
    for message in (outcome.refusal, *news):
        if found := [word for word in _LIBRARY_WORDS if word in message]:
            return f"words of a library, {found}: {message}"
    if outcome.refusal and folder not in outcome.refusal:
        return f"no path is named: {outcome.refusal}"
    if not outcome.values and not outcome.refusal:
        return f"neither maps nor a refusal; rows: {outcome.rows}"
    return ""


def is_same(outcome, base, tolerance):
    """Return whether all values are those of the unaltered dataset."""
    return outcome.values.keys() == base.values.keys() and _distance(outcome, base) <= tolerance


def _distance(outcome, base):
    distances = [0.0]
    for name, values in base.values.items():
        other = outcome.values[name]
        if other.shape != values.shape:
            return float("inf")
        other, values = other.astype(float), values.astype(float)
        if not np.array_equal(np.isfinite(other), np.isfinite(values)):
            return float("inf")
        difference = np.abs(other - values)[np.isfinite(values)]
        distances.append(float(difference.max(initial=0)) / _scale(values))
    return max(distances)


def _scale(values):
    """Return the standard deviation of an array, or the size of its only value."""
    return max(float(np.nanstd(values.astype(float)) if values.size > 1 else np.abs(values).max()), 1e-9)


def _difference(outcome, base):
    if outcome.values.keys() != base.values.keys():
        return f"{sorted(outcome.values)} instead of {sorted(base.values)}"
    parts = []
    for name, values in base.values.items():
        other = outcome.values[name]
        if other.shape != values.shape:
            parts.append(f"{name}: shape {other.shape} instead of {values.shape}")
        elif not np.array_equal(other, values):
            difference = np.abs(other.astype(float) - values.astype(float))
            parts.append(f"{name}: largest difference {np.nanmax(difference) / _scale(values):.3g} sd")
    return "; ".join(parts)
