"""The page of biomarkers in Chromium."""

import pytest

from tests.biomarkers.made_results import make_result, write_made_results

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    results = [make_result(), make_result("categorical", 2), make_result("categorical", 3)]
    return write_made_results(tmp_path_factory.mktemp("out"), results)


@pytest.fixture(params=[1280, 360])
def page(request, browser, path):
    context = browser.new_context(viewport={"width": request.param, "height": 900}, offline=True)
    page = context.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert [url for url in requests if not url.startswith("data:image/png") and url != path.as_uri()] == []


def test_the_checker_of_accessibility_finds_nothing(page, axe):
    report = axe.run(page)
    assert report.violations_count == 0, report.generate_report()


def test_the_page_is_as_wide_as_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]


def test_figures_stay_legible_on_narrow_screens(page):
    widths = page.evaluate("[...document.querySelectorAll('img')].map(image => image.width)")
    assert min(widths) >= 700
