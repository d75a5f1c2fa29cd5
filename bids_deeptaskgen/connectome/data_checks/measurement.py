"""Measurements of checks, and their comparison with the thresholds of ``data/qc_flags.json``."""

from dataclasses import dataclass

from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.data import load_table


@dataclass(frozen=True)
class Measurement:
    """Result of a check.

    Attributes
    ----------
    value : float
        In the unit of the flag.
    detail : str
        Words for ``{detail}`` in the message of the flag.
    """

    value: float
    detail: str = ""


@dataclass(frozen=True)
class Flag:
    """Entry of ``data/qc_flags.json``: a named property of the data, with the limit of what is normal.

    Attributes
    ----------
    name : str
    meaning : str
        What the flag means for the maps.
    action : str
        What to do.
    source : str
        Reference, bug report, or how the threshold was measured.
    metric : str or None
        Key of the value in the quality file; None if the flag is no measurement.
    unit : str
    threshold : float or None
    flagged : {"above", "below"}
        Side of the threshold that is flagged.
    message : str
        Sentence with ``{value}``, ``{threshold}`` and ``{detail}``.
    """

    name: str
    meaning: str
    action: str
    source: str
    metric: str | None = None
    unit: str = ""
    threshold: float | None = None
    flagged: str = "above"
    message: str = ""

    def violated_by(self, value: float) -> bool:
        """Return whether a value is on the flagged side of the threshold.

        Parameters
        ----------
        value : float

        Returns
        -------
        bool
        """
        if self.threshold is None:
            return False
        return value > self.threshold if self.flagged == "above" else value < self.threshold

    def extreme(self, *values: float) -> float:
        """Return the value that is furthest on the flagged side.

        Parameters
        ----------
        *values : float

        Returns
        -------
        float
        """
        return max(values) if self.flagged == "above" else min(values)


def read_flag(name: str) -> Flag:
    """Read a flag of ``data/qc_flags.json``.

    Parameters
    ----------
    name : str

    Returns
    -------
    Flag

    Raises
    ------
    KeyError
        If the table has no such flag.

    Examples
    --------
    >>> read_flag("few_distinct_values").threshold
    256
    """
    return Flag(name, **load_table("qc_flags.json")[name])


def flag_names() -> tuple[str, ...]:
    """Return the names of all flags.

    Returns
    -------
    tuple of str
    """
    return tuple(load_table("qc_flags.json"))


def judge(name: str, measurement: Measurement, place: object) -> Finding | None:
    """Compare a measurement with the threshold of its flag.

    Parameters
    ----------
    name : str
        Name of the flag.
    measurement : Measurement
    place : object
        File or session, for the message.

    Returns
    -------
    Finding or None
        None if the value is normal.
    """
    flag = read_flag(name)
    if not flag.violated_by(measurement.value):
        return None
    sentence = flag.message.format(
        value=measurement.value, threshold=flag.threshold, detail=measurement.detail
    )
    text = f"{place}: {sentence}\n{flag.action}"
    return Finding(name, text, float(f"{measurement.value:.6g}"), flag.threshold)
