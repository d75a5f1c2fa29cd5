"""Findings: properties of the input that can make maps wrong, and do not exclude a session."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Suspicious property of a run's files or data.

    Attributes
    ----------
    name : str
        Key of ``data/qc_flags.json``, which has its meaning, threshold and source.
    message : str
        What was found, where, and what to do.
    value, threshold : float or None
        Measured value, and the limit that it violates; None if the finding is no measurement.
    """

    name: str
    message: str
    value: float | None = None
    threshold: float | None = None
