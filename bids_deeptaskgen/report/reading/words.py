"""Words and numbers of a page."""

from collections.abc import Mapping, Sequence
from typing import Any


def number(value: object, digits: int = 3) -> str:
    """Format a number; n/a for None and NaN.

    Parameters
    ----------
    value : object
    digits : int
        Significant digits.

    Returns
    -------
    str

    Examples
    --------
    >>> number(0.123456), number(None), number(12345)
    ('0.123', 'n/a', '12345')
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return "n/a"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value)}"
    return f"{value:.{digits}g}"


def unit_words(value: float | None, unit: str) -> str:
    """Return the unit of a quality metric as words that follow its value.

    Parameters
    ----------
    value : float or None
    unit : str
        As in ``data/qc_metrics.json``.

    Returns
    -------
    str
        Empty for shares, correlations and other numbers without dimension.

    Examples
    --------
    >>> [unit_words(value, unit) for value, unit in ((0.4, "1"), (1, "runs"), (2, "runs"), (1.9, "percent"))]
    ['', 'run', 'runs', '%']
    """
    if unit in ("1", "Pearson r") or unit.startswith("share "):
        return ""
    if unit == "percent":
        return "%"
    noun = unit.partition(",")[0]
    return noun.removesuffix("s") if value == 1 else noun


def duration(seconds: float) -> str:
    """Format a duration.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> duration(9.26), duration(128)
    ('9.3 s', '2 min 8 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def flatten_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Format settings as words by name.

    Parameters
    ----------
    settings : dict
        JSON values.

    Returns
    -------
    dict of str to str
    """
    return {name.replace("_", "-"): _value(value) for name, value in settings.items()}


def _value(value: object) -> str:
    if value is None or value == [] or value == "":
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)


def dropped_volumes(run: Mapping[str, Any]) -> str:
    """Describe the volumes of a run that were not used, by cause.

    Parameters
    ----------
    run : dict
        Facts of the run in a sidecar.

    Returns
    -------
    str

    Examples
    --------
    >>> dropped_volumes({"n_dummy_scans": 4, "n_outlier_volumes": 0, "n_motion_volumes": 1})
    '5: 4 dummy scans, 0 outliers of the input, 1 for motion'
    """
    names = ("n_dummy_scans", "n_outlier_volumes", "n_motion_volumes")
    if not all(name in run for name in names):
        return f"{run['n_volumes'] - run['n_volumes_kept']} (causes not stored)"
    n_dummies, n_outliers, n_moving = (int(run[name]) for name in names)
    total = n_dummies + n_outliers + n_moving
    return f"{total}: {n_dummies} dummy scans, {n_outliers} outliers of the input, {n_moving} for motion"
