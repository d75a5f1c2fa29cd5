"""A real Chromium for the tests of pages. Without one, the tests fail: they never pass unseen."""

import os
import shutil

import pytest

INSTALL = "Install the extra: pip install 'bids-deeptaskgen[browser]'."


@pytest.fixture(scope="session")
def browser():
    """Start Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail(f"playwright is not installed. {INSTALL}")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None or shutil.which(program) is None:
        pytest.fail(
            f"Chromium was not found ({program or ', '.join(names)}). Install it, or set the environment "
            "variable CHROMIUM to its path."
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe():
    """Return the checker of accessibility."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        pytest.fail(f"axe-playwright-python is not installed. {INSTALL}")
    return Axe()


def console_fault(message):
    """List the message unless it concerns the speed of the tests' reading of canvases."""
    return [] if "willReadFrequently" in message.text else [f"{message.type}: {message.text}"]


@pytest.fixture
def visit(browser):
    """Open pages; the test fails at the end if one wrote errors or asked for a file elsewhere."""
    contexts, faults = [], []

    def visit_page(path, *, width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.extend(console_fault(message)))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith("data:image/png") or request.url == path.as_uri()
                else faults.append(f"request of {request.url[:200]}")
            ),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        return page

    yield visit_page
    for context in contexts:
        context.close()
    assert faults == []
