"""File names of BIDS, taken apart and ordered."""

from collections.abc import Iterable
from dataclasses import dataclass

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.settings.value_types import plain_label

Entities = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BidsName:
    """A file name taken apart.

    Attributes
    ----------
    entities : tuple of (str, str)
        Keys and values as written and in that order, e.g. ``(("sub", "01"), ("task", "rest"))``.
    suffix : str
        Last part before the extension, e.g. ``bold``.
    extension : str
        From the first dot on, e.g. ``.nii.gz`` or ``.dtseries.nii``.
    """

    entities: Entities
    suffix: str
    extension: str

    def get(self, key: str) -> str | None:
        """Value of an entity, None where the name does not have it."""
        return dict(self.entities).get(key)

    def without(self, keys: Iterable[str]) -> Entities:
        """Entities other than these, in the name's order."""
        return tuple(pair for pair in self.entities if pair[0] not in keys)


def parse_name(file_name: str) -> BidsName:
    """Take a file name apart; every entity is kept, whether BIDS knows it or not.

    Parameters
    ----------
    file_name : str
        Without folder, e.g. ``sub-01_task-rest_desc-preproc_bold.nii.gz``.

    Returns
    -------
    BidsName
    """
    stem, dot, extension = file_name.partition(".")
    *parts, suffix = stem.split("_")
    pairs = (part.partition("-") for part in parts)
    return BidsName(tuple((key, value) for key, dash, value in pairs if dash), suffix, dot + extension)


def join_name(entities: Iterable[tuple[str, str]]) -> str:
    """Write entities as part of a file name, in the order that BIDS wants; unknown ones come last.

    Parameters
    ----------
    entities : iterable of (str, str)
        Keys and values, e.g. ``[("run", "1"), ("task", "rest")]``.

    Returns
    -------
    str
        For example ``task-rest_run-1``.
    """
    return "_".join(f"{key}-{value}" for key, value in sort_entities(entities))


def sort_entities(entities: Iterable[tuple[str, str]]) -> Entities:
    """Put entities into the order of BIDS; unknown ones come last, in the order given."""
    order: list[str] = load_table("outputs.json")["entity_order"]
    return tuple(sorted(entities, key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)))


def generator_of(desc: str) -> str:
    """Name the pipeline that writes series of a ``desc-``: ``fmriprep`` where nobody else is known to."""
    made_by: dict[str, str] = load_table("queries.json")["made_by"]
    return made_by.get(desc, "fmriprep")


def same_label(one: str, other: str) -> bool:
    """Tell whether two labels mean the same: ``1`` and ``01`` do where both are numbers."""
    return plain_label(one) == plain_label(other)
