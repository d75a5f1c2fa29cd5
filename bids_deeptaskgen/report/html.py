"""HTML of pages: templates with escaping, their parts, and the format of numbers."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_deeptaskgen.data import read_data

if TYPE_CHECKING:
    from jinja2 import Environment

MINUS = "\u2212"
# Shorter names are not broken.
LONG_NAME = 24
# Verdicts are shown by word, symbol and colour, from the most to the least severe.
SYMBOLS = {"fail": "\u2715", "warn": "\u25b2", "pass": "\u2713", "n/a": "\u2013", "info": "\u2022"}


def render_page(template: str, *, scripts: Sequence[str], styles: Sequence[str], **context: Any) -> str:
    """Render a self-contained page.

    Parameters
    ----------
    template : str
        Name of a template in ``data/report`` that extends ``base.html.j2``.
    scripts, styles : sequence of str
        Names of files there, in order. The scripts share one scope; the page's policy allows them by hash.
    **context
        Variables of the template.

    Returns
    -------
    str
    """
    from markupsafe import Markup

    lines = ['"use strict";', "(() => {", *(read_data(f"report/{name}") for name in scripts), "})();"]
    script = "\n".join(lines)
    page = make_environment().get_template(template)
    return page.render(
        symbols=SYMBOLS,
        # The page's own files, and no text of the content, are not escaped.
        style=Markup("\n".join(read_data(f"report/{name}") for name in styles)),
        script=Markup(script),
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        **context,
    )


@cache
def make_environment() -> "Environment":
    """Create the environment of the templates, which escapes every string of the content.

    Returns
    -------
    jinja2.Environment
        With the filters ``figure`` (`format_number`), ``significant`` (`format_significant`), ``p_value``
        (`format_p`) and ``breakable`` (`mark_breaks`).
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: read_data(f"report/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = format_number
    environment.filters["significant"] = format_significant
    environment.filters["p_value"] = format_p
    environment.filters["breakable"] = mark_breaks
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


def format_p(p: float) -> str:
    """Format a p value.

    Parameters
    ----------
    p : float

    Returns
    -------
    str
        n/a if it is not finite.

    Examples
    --------
    >>> format_p(0.0214), format_p(0.0009), format_p(1.0)
    ('0.021', '0.0009', '1.000')
    >>> format_p(0.00001).split()
    ['<', '0.0001']
    """
    if p < 0.0001:
        # A space without a break.
        return "<\u00a00.0001"
    return format_number(p, 3 if p >= 0.001 else 4)


def mark_breaks(text: str) -> str:
    """Mark where a browser may break a long name: after underscores and points.

    Parameters
    ----------
    text : str
        Plain text.

    Returns
    -------
    str
        Escaped HTML.

    Examples
    --------
    >>> str(mark_breaks("short_name")), str(mark_breaks("a_long_name_of_features_<1>"))
    ('short_name', 'a_<wbr>long_<wbr>name_<wbr>of_<wbr>features_<wbr>&lt;1&gt;')
    """
    from markupsafe import Markup, escape

    if len(text) <= LONG_NAME:
        return escape(text)
    return Markup("<wbr>").join(escape(part) for part in re.findall(r"[^_.]*[_.]|[^_.]+", text))
