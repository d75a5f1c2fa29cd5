"""Verdicts on the quality metrics of a session, by the thresholds of ``data/qc_metrics.json``.

A verdict excludes no session: limits that do are the options ``min_minutes``, ``min_dof``,
``min_coverage`` and ``max_mask_offset``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bids_deeptaskgen.connectome.data_checks.measurement import Flag, read_flag
from bids_deeptaskgen.data import load_table

PASS, WARN, FAIL, UNAVAILABLE, INFO = "pass", "warn", "fail", "n/a", "info"


@dataclass(frozen=True)
class MetricSpec:
    """Entry of ``data/qc_metrics.json``: a metric and its thresholds.

    Attributes
    ----------
    name : str
        Key in the quality file and column of the quality table.
    title, unit, description : str
    warn, fail : dict of str to float
        Thresholds by side, ``below`` and ``above``; both sides where a value can be too good.
    message : str
        Sentence with ``{value}`` for a value beyond a threshold.
    message_above : str
        Sentence for values above, if the other one is for values below.
    action : str
        What to do.
    source : str
        Reference or experiment of the thresholds.
    flag : str
        Name of the flag of the same metric, whose threshold is that of ``warn``; may be empty.
    """

    name: str
    title: str
    unit: str
    description: str
    warn: Mapping[str, float] = field(default_factory=dict)
    fail: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    message_above: str = ""
    action: str = ""
    source: str = ""
    flag: str = ""

    @property
    def limits(self) -> str:
        """Return the thresholds in words, for example ``warn below 5, fail below 4``; empty without any."""
        return ", ".join(
            f"{verdict} {side} {threshold:g}"
            for verdict, sides in ((WARN, self.warn), (FAIL, self.fail))
            for side, threshold in sides.items()
        )

    def side_of(self, value: float, sides: Mapping[str, float]) -> str:
        """Return the side on which a value exceeds thresholds.

        Parameters
        ----------
        value : float
        sides : dict of str to float
            `warn` or `fail`.

        Returns
        -------
        str
            ``below``, ``above``, or empty.
        """
        if "below" in sides and value < sides["below"]:
            return "below"
        return "above" if "above" in sides and value > sides["above"] else ""


@dataclass(frozen=True)
class MetricVerdict:
    """Verdict on a metric of a session.

    Attributes
    ----------
    name, title : str
        Key in the quality file; words for readers.
    value : float or None
    unit : str
    verdict : {"pass", "warn", "fail", "n/a", "info"}
        ``info`` without thresholds.
    limits : str
        Thresholds in words; may be empty.
    description, source : str
    message, action : str
        What was found, and what to do; empty unless the verdict is ``warn`` or ``fail``.
    """

    name: str
    title: str
    value: float | None
    unit: str
    verdict: str
    limits: str
    description: str
    source: str
    message: str = ""
    action: str = ""


@cache
def metric_specs() -> Mapping[str, MetricSpec]:
    """Read the metrics of ``data/qc_metrics.json``.

    Returns
    -------
    dict of str to MetricSpec
        By name, in the order of the tables.

    Examples
    --------
    >>> metric_specs()["minutes_kept"].limits
    'warn below 5, fail below 4'
    """
    return {name: _read_spec(name, entry) for name, entry in load_table("qc_metrics.json").items()}


def _read_spec(name: str, entry: Mapping[str, Any]) -> MetricSpec:
    if "flag" not in entry:
        return MetricSpec(name, **entry)
    flag: Flag = read_flag(entry["flag"])
    shared = {"unit": flag.unit, "action": flag.action, "source": flag.source}
    warn = {} if flag.threshold is None else {flag.flagged: flag.threshold}
    return MetricSpec(name, **(shared | {"warn": warn} | dict(entry)))


def single_value(value: object) -> float | None:
    """Convert a metric to a number; lists, which have a value per run, are summed.

    Parameters
    ----------
    value : object
        Value in the quality file.

    Returns
    -------
    float or None
        None without a value, also if a run has none.

    Examples
    --------
    >>> single_value([8, 2]), single_value(None), single_value([8, None])
    (10, None, None)
    """
    if isinstance(value, list):
        is_complete = value and all(isinstance(item, int | float) for item in value)
        return sum(value) if is_complete else None
    return value if isinstance(value, int | float) else None


def judge_metrics(metrics: Mapping[str, Any]) -> list[MetricVerdict]:
    """Compare the metrics of a session with their thresholds.

    Parameters
    ----------
    metrics : dict
        Values by the name of the metric, as in the quality file; other keys are ignored.

    Returns
    -------
    list of MetricVerdict
        One for each metric of ``data/qc_metrics.json``, in its order.
    """
    return [judge_metric(spec, single_value(metrics.get(name))) for name, spec in metric_specs().items()]


def judge_metric(spec: MetricSpec, value: float | None) -> MetricVerdict:
    """Compare a metric with its thresholds.

    Parameters
    ----------
    spec : MetricSpec
    value : float or None

    Returns
    -------
    MetricVerdict
    """
    verdict, side = (PASS if spec.warn or spec.fail else INFO), ""
    if value is None:
        verdict = UNAVAILABLE
    else:
        for name, sides in ((FAIL, spec.fail), (WARN, spec.warn)):
            if side := spec.side_of(value, sides):
                verdict = name
                break
    message = (spec.message_above if side == "above" else "") or spec.message
    return MetricVerdict(
        name=spec.name,
        title=spec.title,
        value=value,
        unit=spec.unit,
        verdict=verdict,
        limits=spec.limits,
        description=spec.description,
        source=spec.source,
        message=message.format(value=value) if side else "",
        action=spec.action if side else "",
    )


def overall_verdict(verdicts: Iterable[MetricVerdict], flags: Sequence[str] = ()) -> str:
    """Return the verdict on a session: that of its worst metric, at least ``warn`` with a flag.

    Parameters
    ----------
    verdicts : iterable of MetricVerdict
    flags : sequence of str
        Names of the flags of the session.

    Returns
    -------
    {"pass", "warn", "fail"}
    """
    names = {verdict.verdict for verdict in verdicts}
    if FAIL in names:
        return FAIL
    return WARN if WARN in names or flags else PASS
