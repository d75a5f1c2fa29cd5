"""HTML of pages: templates with escaping, and the format of numbers."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jinja2 import Environment

MINUS = "\u2212"


@cache
def make_environment() -> "Environment":
    """Create the environment of the templates, which escapes every string of the content.

    Returns
    -------
    jinja2.Environment
        With the filters ``figure`` (`format_number`) and ``significant`` (`format_significant`).
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = format_number
    environment.filters["significant"] = format_significant
    # NaN is no JSON; the order of the content is that of the page.
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": False,
        "allow_nan": False,
        "separators": (",", ":"),
    }
    return environment


def format_number(value: float | None, digits: int = 3) -> str:
    """Format a number with a fixed number of digits.

    Parameters
    ----------
    value : float or None
    digits : int
        Number of digits after the point.

    Returns
    -------
    str
        n/a if the value is None or not finite.

    Examples
    --------
    >>> format_number(0.12345), format_number(float("nan"))
    ('0.123', 'n/a')
    """
    if value is None or not np.isfinite(value):
        return "n/a"
    # A true minus sign, and no -0.000.
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def format_significant(value: float | None, digits: int = 3) -> str:
    """Format a number of any magnitude.

    Parameters
    ----------
    value : float or None
    digits : int
        Number of significant digits.

    Returns
    -------
    str
        n/a if the value is None or not finite.

    Examples
    --------
    >>> format_significant(1234.5), format_significant(0.012345), format_significant(30.0)
    ('1,230', '0.0123', '30')
    """
    if value is None or not np.isfinite(value):
        return "n/a"
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == int(rounded) and abs(rounded) < 1e9:
        return f"{int(rounded):,}".replace("-", MINUS)
    return f"{rounded:.{digits}g}".replace("-", MINUS)
