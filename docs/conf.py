"""Settings of the site. `make docs` builds it; every warning is an error."""

from importlib.metadata import version as installed_version
from typing import NoReturn

from docutils.nodes import Element, SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxTranslator

project = "bids_deeptaskgen"
author = "The bids_deeptaskgen developers"
project_copyright = author
version = release = installed_version("bids-deeptaskgen").partition(".dev")[0]

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["conf.py", "decisions/template.md"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
# Sections get the anchors that they have on code hosts, so links work in both places.
myst_heading_anchors = 4

numpydoc_show_class_members = False
autosummary_generate = False
autodoc_typehints = "none"

html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto"}
html_title = "bids_deeptaskgen"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_nav_level": 2,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Pages without neighbours need no list of them.
html_sidebars = {"index": []}
copybutton_exclude = ".linenos, .gp, .go"

# Equations are MathML, which browsers draw without a script from another server.
html_math_renderer = "mathml"


def _add_inline(translator: SphinxTranslator, node: Element) -> NoReturn:
    translator.body.append(convert(node.astext()))
    raise SkipNode


def _add_block(translator: SphinxTranslator, node: Element) -> NoReturn:
    translator.body.append(f'<div class="equation">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Register the drawing of equations."""
    app.add_html_math_renderer("mathml", (_add_inline, None), (_add_block, None))
