"""BIDS file names: parsing, joining and the order of entities."""

from collections.abc import Iterable
from dataclasses import dataclass

from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.settings.value_types import plain_label

Entities = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BidsName:
    """Parts of a file name.

    Attributes
    ----------
    entities : tuple of (str, str)
        Keys and values in the order of the file name, e.g. ``(("sub", "01"), ("task", "rest"))``.
    suffix : str
        Last part before the extension, e.g. ``bold``.
    extension : str
        From the first dot on, e.g. ``.nii.gz`` or ``.dtseries.nii``.
    """

    entities: Entities
    suffix: str
    extension: str

    def get(self, key: str) -> str | None:
        """Return the value of an entity, None if the name lacks it.

        Parameters
        ----------
        key : str
            Key of the entity, e.g. ``task``.

        Returns
        -------
        str or None
        """
        # Of equal keys, the last counts.
        for name, value in reversed(self.entities):
            if name == key:
                return value
        return None

    def entities_without(self, keys: Iterable[str]) -> Entities:
        """Return the entities whose key is not among ``keys``, in the order of the name.

        Parameters
        ----------
        keys : iterable of str
            Keys of entities, e.g. ``sub``.

        Returns
        -------
        tuple of (str, str)
            Keys and values.

        Examples
        --------
        >>> parse_name("sub-01_task-rest_bold.nii.gz").entities_without(["sub"])
        (('task', 'rest'),)
        """
        return tuple(pair for pair in self.entities if pair[0] not in keys)


def parse_name(file_name: str) -> BidsName:
    """Parse a file name; entities that BIDS does not define are kept.

    Parameters
    ----------
    file_name : str
        Without folder, e.g. ``sub-01_task-rest_desc-preproc_bold.nii.gz``.

    Returns
    -------
    BidsName

    Examples
    --------
    >>> name = parse_name("sub-01_task-rest_desc-preproc_bold.nii.gz")
    >>> name.get("task"), name.suffix, name.extension
    ('rest', 'bold', '.nii.gz')
    """
    stem, dot, extension = file_name.partition(".")
    *parts, suffix = stem.split("_")
    # A list is filled faster than a generator, and a dataset has millions of names.
    pairs = [(pair[0], pair[1]) for part in parts if len(pair := part.split("-", 1)) > 1]
    return BidsName(tuple(pairs), suffix, dot + extension)


def join_name(entities: Iterable[tuple[str, str]]) -> str:
    """Join entities as in a file name, in the order of BIDS; entities outside BIDS come last.

    Parameters
    ----------
    entities : iterable of (str, str)
        Keys and values, e.g. ``[("run", "1"), ("task", "rest")]``.

    Returns
    -------
    str
        For example ``task-rest_run-1``.

    Examples
    --------
    >>> join_name([("run", "1"), ("task", "rest")])
    'task-rest_run-1'
    """
    return "_".join(f"{key}-{value}" for key, value in sort_entities(entities))


def sort_entities(entities: Iterable[tuple[str, str]]) -> Entities:
    """Sort entities in the order of BIDS; entities outside BIDS come last and keep their order.

    Parameters
    ----------
    entities : iterable of (str, str)
        Keys and values.

    Returns
    -------
    tuple of (str, str)

    Examples
    --------
    >>> sort_entities([("run", "1"), ("task", "rest"), ("sub", "01")])
    (('sub', '01'), ('task', 'rest'), ('run', '1'))
    """
    order: list[str] = load_table("outputs.json")["entity_order"]
    return tuple(sorted(entities, key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)))


def generator_of(desc: str) -> str:
    """Return the pipeline that writes series with a ``desc-``; ``fmriprep`` for other values.

    Parameters
    ----------
    desc : str
        Value of the entity ``desc``.

    Returns
    -------
    str
        A key of ``pipelines`` in ``data/queries.json``.

    Examples
    --------
    >>> generator_of("denoised"), generator_of("preproc")
    ('xcp_d', 'fmriprep')
    """
    pipeline_of_desc: dict[str, str] = load_table("queries.json")["made_by"]
    return pipeline_of_desc.get(desc, "fmriprep")


def same_label(label: str, other_label: str) -> bool:
    """Return whether two labels are equal, or are equal numbers such as ``1`` and ``01``.

    Parameters
    ----------
    label, other_label : str
        Values of an entity.

    Returns
    -------
    bool

    Examples
    --------
    >>> same_label("1", "01"), same_label("1", "2")
    (True, False)
    """
    return plain_label(label) == plain_label(other_label)


def same_value(key: str, value: str, other_value: str) -> bool:
    """Return whether two values of an entity are equal; indices are numbers, labels are text.

    Parameters
    ----------
    key : str
        Key of the entity. BIDS defines ``run``, ``echo`` and a few others as indices; ``acq-1`` and
        ``acq-01`` are different acquisitions.
    value, other_value : str
        Values of the entity.

    Returns
    -------
    bool

    Examples
    --------
    >>> same_value("run", "1", "01"), same_value("acq", "1", "01")
    (True, False)
    """
    return plain_value(key, value) == plain_value(key, other_value)


def plain_value(key: str, value: str) -> str:
    """Return a value that is equal for equivalent values of an entity: an index without leading zeros.

    Parameters
    ----------
    key : str
        Key of the entity.
    value : str
        Value of the entity.

    Returns
    -------
    str

    Examples
    --------
    >>> plain_value("run", "01"), plain_value("acq", "01")
    ('1', '01')
    """
    return plain_label(value) if key in load_table("queries.json")["indices"] else value
