"""A participant's page in a real browser."""

import json

import pytest

from bids_deeptaskgen.report.participant_html import render_participant
from tests.browser.waiting import wait_until
from tests.report.page_content import participant_content, session_content
from tests.report.test_participant_html import hostile_content

pytestmark = pytest.mark.slow


VIEWS = ("#map-slices", "#map-glass", "#map-surface")
# Number of coloured pixels of each canvas, their mean colour, and their mean column and row, from 0 to 1.
COLOURED = """selector => [...document.querySelectorAll(selector + " canvas")].map(canvas => {
  const {width, height} = canvas;
  const bytes = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let count = 0, red = 0, blue = 0, column = 0, row = 0;
  for (let i = 0; i < bytes.length; i += 4) {
    const [r, g, b, a] = bytes.slice(i, i + 4);
    if (!a || Math.max(r, g, b) - Math.min(r, g, b) < 30) continue;
    count += 1; red += r; blue += b;
    column += (i / 4) % width / width; row += Math.floor(i / 4 / width) / height;
  }
  const mean = sum => sum / count;
  return count ? {count, red: mean(red), blue: mean(blue), column: mean(column), row: mean(row)} : {count};
})"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "sub-01.html"
    file.write_text(render_participant(participant_content()), "utf-8")
    return file


@pytest.fixture(scope="module")
def two_sessions(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "sub-02.html"
    sessions = [session_content("ses-1 task-rest"), session_content("ses-2 task-rest")]
    sessions[1] = session_content("ses-2 task-rest", maps=sessions[1].maps[1:])
    file.write_text(render_participant(participant_content(sessions=sessions)), "utf-8")
    return file


def wait_for_map(page, label):
    """Wait until the map of a contrast is drawn."""
    wait_until(page, f"document.getElementById('viewer').dataset.shown === {json.dumps(label)}")


def pixels(page, selector="#viewer"):
    """Return the images of all canvases as text."""
    return page.evaluate(
        "selector => [...document.querySelectorAll(selector + ' canvas')].map(c => c.toDataURL())", selector
    )


def total(page, selector):
    """Count coloured pixels."""
    return sum(canvas["count"] for canvas in page.evaluate(COLOURED, selector))


def test_the_page_opens_without_errors_and_requests(visit, path):
    page = visit(path)
    wait_for_map(page, "motorRh")
    page.wait_for_selector("#overview[data-drawn=true]")
    assert all(total(page, selector) for selector in (*VIEWS, "#overview", "#seed-slices", "#sd-slices"))
    assert page.locator("#overview button").count() == 3


def test_a_hostile_page_runs_no_script_of_its_texts(visit, tmp_path):
    file = tmp_path / "sub-01.html"
    file.write_text(render_participant(hostile_content()), "utf-8")
    page = visit(file)
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("#map-title").inner_text().startswith("</script>")


@pytest.mark.parametrize("action", ["select", "next", "overview", "key"])
def test_each_way_to_select_a_contrast_redraws_all_views(visit, path, action):
    page = visit(path)
    wait_for_map(page, "motorRh")
    before = {selector: pixels(page, selector) for selector in (*VIEWS, "#sd-slices")}
    if action == "select":
        page.select_option("#contrast", label="motorLf")
    elif action == "next":
        page.click("#next")
    elif action == "overview":
        page.click("#overview button:has-text('motorLf')")
    else:
        page.focus("#viewer")
        page.keyboard.press("ArrowRight")
    wait_for_map(page, "motorLf")
    # The standard deviations of both maps are equal.
    assert [pixels(page, selector) != images for selector, images in before.items()] == [True] * 3 + [False]
    assert page.locator("#map-title").inner_text() == "motorLf"
    assert "contrast 2 of 3" in page.locator("#announcement").text_content()
    assert page.locator("#overview button[aria-pressed=true]").inner_text() == "motorLf"


def test_keys_select_contrasts_only_while_the_viewer_has_the_focus(visit, path):
    page = visit(path)
    wait_for_map(page, "motorRh")
    page.focus("#threshold")
    page.keyboard.press("ArrowRight")
    assert page.locator("#map-title").inner_text() == "motorRh"
    page.focus("#viewer")
    page.keyboard.press("End")
    wait_for_map(page, "gamblingPunishMinusReward")
    page.keyboard.press("ArrowRight")
    wait_for_map(page, "motorRh")


def test_a_higher_threshold_hides_pixels_in_every_view(visit, path):
    page = visit(path)
    wait_for_map(page, "motorRh")
    counts = []
    for value in ("0.2", "0.4", "999"):
        page.fill("#threshold-number", value)
        page.press("#threshold-number", "Tab")
        wait_for_map(page, "motorRh")
        counts.append([total(page, selector) for selector in VIEWS])
    for before, after in zip(counts, counts[1:], strict=False):
        assert all(high < low for low, high in zip(before, after, strict=True))
    page.click("#reset")
    wait_for_map(page, "motorRh")
    assert all(total(page, selector) > count[0] for selector, count in zip(VIEWS, [[0]] * 3, strict=True))


def test_a_smaller_colour_range_deepens_the_colours(visit, path):
    page = visit(path)
    wait_for_map(page, "motorRh")
    before = page.evaluate(COLOURED, "#map-surface")[0]
    page.fill("#range-number", "0.2")
    page.press("#range-number", "Tab")
    wait_for_map(page, "motorRh")
    after = page.evaluate(COLOURED, "#map-surface")[0]
    assert after["blue"] < before["blue"] - 5
    assert "0.2" in page.locator("#map-scale").inner_text()


@pytest.mark.parametrize(("label", "is_positive"), [("motorRh", True), ("motorLf", False)])
def test_a_blob_of_the_left_hemisphere_is_on_the_left_with_the_colour_of_its_sign(
    visit, path, label, is_positive
):
    page = visit(path)
    page.select_option("#contrast", label=label)
    wait_for_map(page, label)
    drawn = [canvas for canvas in page.evaluate(COLOURED, "#map-slices") if canvas["count"]]
    sagittal, coronal, axial = page.evaluate(COLOURED, "#map-glass")
    lateral, _, *right = page.evaluate(COLOURED, "#map-surface")
    assert drawn
    assert all(canvas["column"] < 0.45 for canvas in (*drawn, coronal, axial))
    # Frontal: anterior is above on axial images and on the right of the sagittal projection.
    assert axial["row"] < 0.5 < sagittal["column"]
    assert lateral["count"] > 1000
    assert lateral["column"] < 0.5
    assert [canvas["count"] for canvas in right] == [0, 0]
    for canvas in (*drawn, sagittal, coronal, axial, lateral):
        assert (canvas["red"] > canvas["blue"]) == is_positive
    sides = page.locator("#map-slices .slice").first.locator(".side").all_inner_texts()
    assert sides == ["L", "R"]


def test_the_value_under_the_pointer_is_that_of_the_map(visit, path):
    page = visit(path)
    wait_for_map(page, "motorRh")
    canvas = page.locator("#map-slices canvas").nth(6)
    box = canvas.bounding_box()
    # x = -46 and y = 26 mm in the box from -74 and 74 mm.
    position = {"x": (29 / 2 / 76) * box["width"], "y": (49 / 2 / 93) * box["height"]}
    canvas.hover(position=position)
    wait_until(page, "document.getElementById('map-readout').textContent")
    words = page.locator("#map-readout").inner_text()
    assert "z = 14 mm" in words
    assert "no value" not in words


def test_the_matrix_is_read_by_keyboard_and_selects_maps(visit, path):
    page = visit(path)
    before = pixels(page, "#seed-slices")
    page.focus("#matrix-frame")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.locator("#matrix-readout").inner_text().startswith("ROI 2 and ROI 3: r = ")
    page.keyboard.press("Enter")
    wait_until(page, "document.getElementById('seed-slices').dataset.shown === 'ROI 2'")
    assert pixels(page, "#seed-slices") != before
    page.keyboard.press("ArrowUp")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert page.locator("#matrix-readout").inner_text() == "ROI 1 and ROI 6: r = n/a"


def test_a_session_is_selected_with_the_same_contrast(visit, two_sessions):
    page = visit(two_sessions)
    page.select_option("#contrast", label="motorLf")
    wait_for_map(page, "motorLf")
    page.select_option("#session", label="ses-2 task-rest")
    wait_for_map(page, "motorLf")
    assert page.locator("#contrast option").count() == 2
    assert "2 of 2" in page.locator("#map-subtitle").inner_text()
    page.select_option("#connectome-session", label="ses-2 task-rest")
    assert page.locator("#roi option").count() == 6


def test_low_reliability_is_shown_as_a_warning(visit, path):
    page = visit(path)
    assert not page.locator("#map-warning").is_visible()
    page.select_option("#contrast", label="gamblingPunishMinusReward")
    wait_for_map(page, "gamblingPunishMinusReward")
    assert "low reliability" in page.locator("#map-warning").inner_text()


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_the_page_does_not_scroll_sideways(visit, two_sessions, width):
    page = visit(two_sessions, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_checker_of_accessibility_finds_nothing(visit, axe, two_sessions, scheme, width):
    page = visit(two_sessions, width=width, scheme=scheme)
    page.wait_for_selector("#overview[data-drawn=true]")
    page.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true; })")
    page.select_option("#contrast", label="gamblingPunishMinusReward")
    report = axe.run(page)
    assert report.violations_count == 0, report.generate_report()


def test_dark_pages_have_other_colours_and_paper_is_light(visit, path):
    page = visit(path, scheme="dark")
    wait_for_map(page, "motorRh")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = pixels(page, "#map-slices")
    assert page.evaluate(background) == "rgb(18, 22, 27)"
    page.emulate_media(media="print")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    wait_for_map(page, "motorRh")
    assert pixels(page, "#map-slices") != dark


def test_the_page_is_printed_without_controls(visit, path):
    page = visit(path, scheme="dark")
    wait_for_map(page, "motorRh")
    document = page.pdf(print_background=True)
    assert document.startswith(b"%PDF")
    assert len(document) > 100_000
    page.emulate_media(media="print")
    assert not page.locator("#contrast").is_visible()
    assert page.locator("#map-slices").is_visible()
    assert page.locator("#overview").is_visible()


def test_the_methods_are_copied(visit, path):
    page = visit(path)
    page.click("#copy-methods")
    wait_until(page, "document.getElementById('copy-status').textContent")
    assert page.locator("#copy-status").inner_text().startswith(("Copied", "The text is selected"))


def test_without_javascript_the_page_says_what_is_missing(browser, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "The maps need JavaScript" in page.locator("#maps").inner_text()
    assert page.locator("#quality svg").count() == 2
    assert not page.locator("#viewer").is_visible()
    context.close()
