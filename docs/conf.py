"""Settings of the site. `make docs` builds it; every warning is an error."""

from importlib.metadata import version as installed_version

from latex2mathml.converter import convert

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


def _add_inline(translator, node):
    translator.body.append(convert(node.astext()))


def _add_block(translator, node):
    translator.body.append(f'<div class="equation">{convert(node.astext(), display="block")}</div>')


def _add_nothing(translator, node):
    """Close an equation, whose element is complete."""


def setup(app):
    """Register the drawing of equations."""
    app.add_html_math_renderer("mathml", (_skipped(_add_inline), _add_nothing), (_skipped(_add_block), _add_nothing))


def _skipped(visit):
    """Return a visitor that also skips the text of the equation."""
    from docutils.nodes import SkipNode

    def visit_and_skip(translator, node):
        visit(translator, node)
        raise SkipNode

    return visit_and_skip
