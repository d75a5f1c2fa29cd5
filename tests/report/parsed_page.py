"""Elements of a page, without a browser."""

import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser

HOSTILE = "</script><img src=x onerror=\"alert('1')\"><!-- & \u2028 {{ 7 * 7 }}"
VOID = {"meta", "img", "input", "br", "wbr", "link", "hr", "path", "use"}


class Page(HTMLParser):
    """Elements of a page.

    Attributes
    ----------
    elements : list of (str, dict)
        Name and attributes.
    scripts : dict of str to str
        Text of scripts by their id or "".
    """

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.open, self.texts = [], {}, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[self.elements[-1][1].get("id", "")] = data
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)

    def named(self, tag):
        """List the attributes of elements with a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def section_ids(page):
    """List the sections of a page."""
    return [attributes["id"] for attributes in page.named("section")]


def check_identifiers(page):
    """Require unique identifiers, and targets of references."""
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert ids.most_common(1)[0][1] == 1
    references = [
        name
        for _, attributes in page.elements
        for key in ("for", "aria-labelledby", "aria-describedby")
        for name in (attributes.get(key) or "").split()
    ]
    assert references
    assert set(references) <= set(ids)


def check_headings(page):
    """Require headings without gaps in their levels."""
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def check_names(page):
    """Require names of images, controls, figures and columns."""
    assert all("alt" in image for image in page.named("img"))
    labels = {label["for"] for label in page.named("label")}
    controls = page.named("select") + page.named("input")
    assert all(control["id"] in labels or "aria-label" in control for control in controls)
    strips = [attributes for _, attributes in page.elements if "strip" in attributes.get("class", "").split()]
    assert all(strip["role"] == "img" and strip["aria-label"] for strip in strips)
    assert all(column.get("scope") for column in page.named("th"))


def check_sources(page, text):
    """Require that a page refers to no other file but the pages of participants."""
    sources = [attributes.get(key) for _, attributes in page.elements for key in ("src", "href", "data")]
    allowed = ("data:image/png;base64,", "#", "sub-")
    assert all(source.startswith(allowed) for source in sources if source)
    without_data = re.sub(r"data:[\w/;]+,[\w+/=]+", "", text)
    assert set(re.findall(r"\w+://[^\s\"'<)]+", without_data)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text)


def check_policy(page):
    """Require a policy that allows the page's own script by its hash."""
    policy = next(meta["content"] for meta in page.named("meta") if meta.get("http-equiv"))
    assert "default-src 'none'" in policy
    digest = b64encode(sha256(page.scripts[""].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "eval(" not in page.scripts[""]
    assert "innerHTML" not in page.scripts[""]
