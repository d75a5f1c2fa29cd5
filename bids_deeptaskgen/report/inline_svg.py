"""Figures as SVG elements inside an HTML page."""

import base64
import re
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from bids_deeptaskgen.report.figures.style import INK, default_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
REFERENCE = re.compile(r"#([\w.-]+)")
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
# Older releases of matplotlib write the size and the family in one property.
FONT = re.compile(r"font: ((?:\w+ )*?)([\d.]+px) [^;]+")
# Browsers would omit columns of wider images; they average them if the image is not to be pixelated.
MAX_PIXELATED = 400
PNG_PREFIX = "data:image/png;base64,"
FONT_FAMILY = re.compile("font-family: [^;]+;? ?")
# Characters that XML does not allow.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def inline_svg(figure: "Figure", title: str, description: str, *, prefix: str = "") -> str:
    """Convert a figure to an SVG element for an HTML page.

    Ink has the text colour of the page, the background is transparent, and text remains text. Equal figures
    give equal strings.

    Parameters
    ----------
    figure : Figure
    title, description : str
        For screen readers; special characters are escaped.
    prefix : str
        Begin of the ids of this element; by default it follows from the content, so that only equal figures
        with equal titles share ids.

    Returns
    -------
    str
        Element ``<svg>`` as wide as its container.

    Examples
    --------
    >>> from bids_deeptaskgen.report.figures import plot_coverage
    >>> svg = inline_svg(plot_coverage(np.array([0.9, 0.4])), "Coverage <1>", "Two ROIs.")
    >>> svg[:5], "Coverage &lt;1&gt;" in svg, "#000000" in svg
    ('<svg ', True, False)
    """
    root = ElementTree.fromstring(_figure_svg(figure))
    for element in list(root):
        if _local(element.tag) == "metadata":
            root.remove(element)
    for element in root.iter():
        _clean_element(element)
    _set_ids(root, title, description, prefix)
    return ElementTree.tostring(root, encoding="unicode")


def _figure_svg(figure: "Figure") -> bytes:
    """Write a figure as a standalone SVG file whose ids follow from the content."""
    import matplotlib as mpl

    content = BytesIO()
    with (
        default_style(),
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "figure", "svg.image_inline": True}),
    ):
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(content, format="svg", transparent=True, metadata=metadata)
    return content.getvalue()


def _local(name: str) -> str:
    """Remove the namespace of a name."""
    return name.rpartition("}")[2]


def _clean_element(element: ElementTree.Element) -> None:
    """Remove namespaces and white space, use the page's ink and font, and round coordinates."""
    element.tag = _local(element.tag)
    attributes = {_local(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    if "style" in attributes:
        style = FONT.sub(r"\g<1>font-size: \g<2>", attributes["style"].replace(INK, "currentColor"))
        style = FONT_FAMILY.sub("", style)
        attributes["style"] = re.sub(r"([:;]) ", r"\1", style)
    for name in ("d", "x", "y"):
        if name in attributes:
            rounded = NUMBER.sub(
                lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), attributes[name]
            )
            attributes[name] = " ".join(rounded.split())
    if attributes.get("href", "").startswith(PNG_PREFIX):
        attributes["href"] = _small_png(attributes["href"])
        if float(attributes["width"]) > MAX_PIXELATED:
            attributes.pop("style", None)
    element.attrib.update(attributes)
    if element.tag not in ("text", "tspan"):
        element.text = None
    element.tail = None


def _small_png(uri: str) -> str:
    """Convert a PNG image to a smaller one, in 8-bit greys where it has no colours, and without metadata."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(BytesIO(base64.b64decode(uri.removeprefix(PNG_PREFIX)))).convert("RGBA"))
    red, green, blue, alpha = np.moveaxis(pixels, -1, 0)
    if (alpha == 255).all():
        pixels = red if (red == green).all() and (red == blue).all() else pixels[..., :3]
    content = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, format="png", optimize=True)
    return PNG_PREFIX + base64.b64encode(content.getvalue()).decode("ascii")


def _set_ids(root: ElementTree.Element, title: str, description: str, prefix: str) -> None:
    """Keep only ids that are referred to, make them unique to the figure, and name the element."""
    texts = [FORBIDDEN.sub("\ufffd", text) for text in (title, description)]
    digest = sha256("\0".join([ElementTree.tostring(root, encoding="unicode"), *texts]).encode()).hexdigest()
    start = prefix or f"f{digest[:10]}"
    values = [value for element in root.iter() for name, value in element.attrib.items() if name != "id"]
    names = sorted({name for value in values for name in REFERENCE.findall(value)})
    present_ids = {element.get("id") for element in root.iter()}
    new_names = {
        name: f"{start}-{number}" for number, name in enumerate(n for n in names if n in present_ids)
    }
    for element in root.iter():
        identifier = element.attrib.pop("id", None)
        for key, value in element.attrib.items():
            element.set(key, REFERENCE.sub(lambda match: "#" + new_names.get(match[1], match[1]), value))
        if identifier in new_names:
            element.set("id", new_names[identifier])
    for style in [*root.iterfind("defs/style"), *root.iterfind("style")]:
        for parent in root.iter():
            if style in list(parent):
                parent.remove(style)
    view_box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update(
        {
            "xmlns": SVG_NAMESPACE, "viewBox": view_box, "width": "100%", "role": "img",
            "aria-labelledby": f"{start}-title", "aria-describedby": f"{start}-desc",
            "fill": "currentColor", "font-family": "sans-serif",
            "stroke-linejoin": "round", "stroke-linecap": "butt",
        }
    )  # fmt: skip
    for number, (tag, text) in enumerate(zip(("title", "desc"), texts, strict=True)):
        element = ElementTree.Element(tag, {"id": f"{start}-{tag}"})
        element.text = text
        root.insert(number, element)
