"""A group's page in a real browser."""

import pytest

from bids_deeptaskgen.report.group_html import render_group
from tests.browser.waiting import wait_until
from tests.report.group_page_content import group_content, large_set, names, set_content
from tests.report.test_group_html import hostile_content

pytestmark = pytest.mark.slow

UNUSUAL = "sub-03"
# Frames of all plots with a mark of the highlighted participant.
MARKED = """() => Object.fromEntries([...document.querySelectorAll(".plot")].map((plot, number) => {
  const canvas = plot.querySelectorAll("canvas")[1];
  const frame = plot.parentElement;
  const key = frame.id || frame.parentElement.querySelector("h3").textContent.trim();
  if (!canvas.width) return [key, false];
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return [key, bytes.some(byte => byte > 0)];
}))"""
BASES = """selector => [...document.querySelectorAll(selector + ' .plot canvas:first-child')]
  .map(canvas => canvas.toDataURL())"""


def save(folder, content):
    """Write a page."""
    file = folder / "group.html"
    file.write_text(render_group(content), "utf-8")
    return file


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save(tmp_path_factory.mktemp("small"), group_content())


@pytest.fixture(scope="module")
def two_sets(tmp_path_factory):
    bare = set_content(
        12, "task-rest acq-multiband", seed=3, design=None, qc_fc=None, icc=(), identification=(),
        embedding=None, similarity=(), warnings=(), individuality_remarks=(),
    )  # fmt: skip
    return save(tmp_path_factory.mktemp("two"), group_content(sets=[set_content(30, n_sessions=2), bare]))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return save(tmp_path_factory.mktemp("large"), group_content(sets=[large_set(3000, 3)]))


def find(page, text):
    """Type into the search field and choose the first match."""
    page.fill("#find", text)
    page.press("#find", "Enter")


def highlighted(page):
    """Return the name of the highlighted participant."""
    return page.locator("#selected-name").text_content()


def test_the_page_opens_without_errors_and_requests(visit, path):
    page = visit(path)
    wait_until(page, "document.getElementById('viewer').dataset.shown === 'motorRh'")
    page.wait_for_selector("#overview[data-drawn=true]")
    assert page.locator("#strips .plot").count() == 4
    assert page.locator("#participants-table tbody tr").count() == 25
    assert not any(page.evaluate(MARKED).values())


def test_a_hostile_page_runs_no_script_of_its_texts(visit, tmp_path):
    page = visit(save(tmp_path, hostile_content()))
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("#map-title").inner_text().startswith("</script>")


@pytest.mark.parametrize("text", ["sub-03", "03", "3"])
def test_the_search_highlights_a_participant_in_every_plot_and_table(visit, path, text):
    page = visit(path)
    find(page, text)
    if text == "3":
        assert highlighted(page) == "sub-30"
        return
    assert highlighted(page) == UNUSUAL
    marked = page.evaluate(MARKED)
    # These plots have no participants.
    assert {frame for frame, is_marked in marked.items() if not is_marked} == {
        "edges", "distance", "icc-plot",
    }  # fmt: skip
    assert page.locator("#participants-table tr.marked th").inner_text().startswith(UNUSUAL)
    assert page.locator("#outliers tr.marked").count() == 1
    assert "Mean framewise displacement 0.9 mm" in page.locator("#selected-values").inner_text()
    assert page.locator("#selected-links a").get_attribute("href") == "sub-03.html"
    assert "30 of 30" in page.locator("#card").inner_text()


def test_escape_clears_the_highlight(visit, path):
    page = visit(path)
    find(page, UNUSUAL)
    page.keyboard.press("Escape")
    assert highlighted(page) == ""
    assert not any(page.evaluate(MARKED).values())
    assert page.locator("tr.marked").count() == 0
    assert not page.evaluate("location.hash")


def test_the_address_keeps_the_highlighted_participant(visit, path):
    page = visit(path)
    find(page, UNUSUAL)
    assert page.evaluate("location.hash") == "#sub-03"
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert highlighted(page) == UNUSUAL
    page.evaluate("location.hash = '#sub-05'")
    wait_until(page, "document.getElementById('selected-name').textContent === 'sub-05'")


def test_matches_are_chosen_with_the_arrow_keys(visit, path):
    page = visit(path)
    page.fill("#find", "sub-1")
    options = page.locator("#find-list [role=option]")
    assert options.first.inner_text() == "sub-10"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.locator("#find-list [aria-selected=true]").inner_text() == "sub-11"
    page.keyboard.press("Enter")
    assert highlighted(page) == "sub-11"
    assert not page.locator("#find-list").is_visible()
    page.fill("#find", "nobody")
    assert "no participant" in page.locator("#find-list").inner_text()


def test_the_search_finds_participants_without_maps_with_the_reason(visit, path):
    page = visit(path)
    find(page, "sub-77")
    assert "Only 2 minutes remain" in page.locator("#card").inner_text()
    assert page.locator("#selected-links a").get_attribute("href") == "sub-77.html"


def test_a_click_on_a_point_a_cell_or_a_row_highlights_its_participant(visit, path):
    page = visit(path)
    page.click("#participants-table tbody tr:nth-child(5) td:nth-child(3)")
    assert highlighted(page) == "sub-05"
    page.click("#participants-table tbody tr:nth-child(3) th button")
    assert highlighted(page) == "sub-02"
    box = page.locator("#similarity .plot").bounding_box()
    size = box["width"] / 30
    page.locator("#similarity .plot").click(position={"x": 20.5 * size, "y": 6.5 * size})
    assert highlighted(page) == "sub-07"
    # The unusual participant is the first of the sorted means.
    plot = page.locator("#similarity-means .plot")
    box = plot.bounding_box()
    page.click("#clear")
    for step in range(40):
        plot.hover(position={"x": 66 + step, "y": box["height"] - 60})
        if plot.evaluate("element => element.classList.contains('can-pick')"):
            plot.click(position={"x": 66 + step, "y": box["height"] - 60})
            break
    assert highlighted(page) == UNUSUAL


def test_columns_are_sorted_by_value_with_missing_values_last(visit, path):
    page = visit(path)
    header = page.locator("#participants-table th button.sort", has_text="Mean framewise")
    header.click()
    cells = page.locator("#participants-table tbody td:nth-child(4)").all_inner_texts()
    values = [float(text.replace("outlier", "").replace("\u25b2", "")) for text in cells]
    assert values == sorted(values, reverse=True)
    assert page.locator("#participants-table th[aria-sort=descending]").count() == 1
    header.click()
    assert page.locator("#participants-table th[aria-sort=ascending]").count() == 1
    first = page.locator("#participants-table tbody td:nth-child(4)").first.inner_text()
    assert float(first) < min(values)


def test_rows_are_filtered_and_further_rows_are_drawn_on_request(visit, path):
    page = visit(path)
    page.click("#participants-table >> text=Show 5 more rows")
    assert page.locator("#participants-table tbody tr").count() == 30
    page.fill("#participants-table input", "site b")
    assert page.locator("#participants-table tbody tr").count() == 15
    assert "15 of 15 rows" in page.locator("#participants-table [role=status]").inner_text()


def test_the_table_of_effects_selects_the_map(visit, path):
    page = visit(path)
    page.click("#effects button:has-text('motorLf')")
    wait_until(page, "document.getElementById('viewer').dataset.shown === 'motorLf'")
    assert (
        page.locator("#map-group").evaluate("element => element.selectedOptions[0].text").startswith("Effect")
    )
    assert "predicted" not in page.locator("#map-subtitle").inner_text()


def test_a_test_hides_values_below_its_threshold(visit, path):
    page = visit(path)
    page.select_option("#map-group", label="Effect of age (t)")
    wait_until(page, "document.getElementById('viewer').dataset.shown === 'motorRh'")
    assert float(page.input_value("#threshold-number")) == 0.5
    assert "slope with age" in page.locator("#group-explanation").inner_text()


def test_kept_values_are_dropped_for_maps_of_other_units(visit, path):
    page = visit(path)
    wait_until(page, "document.getElementById('viewer').dataset.shown === 'motorRh'")
    page.check("#keep")
    page.fill("#range-number", "0.2")
    page.press("#range-number", "Tab")
    page.select_option("#contrast", label="motorLf")
    assert float(page.input_value("#range-number")) == 0.2
    page.select_option("#map-group", label="Effect of age (t)")
    assert float(page.input_value("#range-number")) > 0.5


def test_the_selector_of_sets_switches_all_sections(visit, two_sets):
    page = visit(two_sets)
    find(page, UNUSUAL)
    assert page.locator("#participants-table tr.marked").count() == 2
    before = page.evaluate(BASES, "#strips")
    page.select_option("#set", label="task-rest acq-multiband")
    wait_until(page, "document.querySelectorAll('#participants-table tbody tr').length === 12")
    assert page.evaluate(BASES, "#strips") != before
    assert page.locator("#set-name").inner_text() == "task-rest acq-multiband"
    assert highlighted(page) == UNUSUAL
    assert page.locator("#participants-table tr.marked").count() == 1
    for hidden in ("#design-part", "#edges-part", "#similarity-part", "#icc-part", "#embedding-part"):
        assert not page.locator(hidden).is_visible()
    assert "No design was given" in page.locator("#differences").inner_text()
    find(page, "sub-20")
    assert "no maps in this set" in page.locator("#selected-values").inner_text()
    page.select_option("#set", label="task-rest")
    wait_until(page, "document.querySelectorAll('#participants-table tbody tr').length === 25")
    assert page.locator("#similarity-part").is_visible()


def test_thousands_of_participants_are_sampled_and_found(visit, large):
    page = visit(large)
    assert page.locator("#participants-table tbody tr").count() == 25
    assert "a sample of 2,000 of 3,000 points" in page.locator("#quality-sample").inner_text()
    find(page, names(3000)[-2])
    assert page.locator("#participants-table tr.marked").count() == 1
    marked = page.evaluate(MARKED)
    assert all(marked[frame] for frame in ("metrics", "embedding-plot", "design-matrix", "Typicality"))
    assert "not in the sample" in page.locator("#similarity-readout").inner_text()


def test_the_similarity_matrix_is_read_by_keyboard(visit, path):
    page = visit(path)
    page.focus("#similarity-frame")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.locator("#similarity-readout").inner_text().startswith("sub-02 and sub-03: r = ")
    page.keyboard.press("Enter")
    assert highlighted(page) == "sub-02"


def test_points_have_the_colour_of_a_column(visit, path):
    page = visit(path)
    before = page.evaluate(BASES, "#embedding")
    page.select_option("#colour-by", label="Site")
    assert page.evaluate(BASES, "#embedding") != before
    assert "site A" in page.locator("#embedding-legend").inner_text()
    page.select_option("#colour-by", label="Age (years)")
    assert "Age (years)" in page.locator("#embedding-legend").inner_text()


def test_links_of_sections_stop_below_the_search_field(visit, path):
    page = visit(path)
    page.click("nav a[href='#quality']")
    wait_until(page, "Math.abs(document.getElementById('quality').getBoundingClientRect().top) < 120")
    top = page.evaluate("document.getElementById('quality-title').getBoundingClientRect().top")
    bottom = page.evaluate("document.getElementById('finder').getBoundingClientRect().bottom")
    assert bottom <= top
    assert page.locator("#find").is_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_the_page_does_not_scroll_sideways(visit, two_sets, width):
    page = visit(two_sets, width=width)
    find(page, UNUSUAL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_checker_of_accessibility_finds_nothing(visit, axe, two_sets, scheme, width):
    page = visit(two_sets, width=width, scheme=scheme)
    page.wait_for_selector("#overview[data-drawn=true]")
    page.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true; })")
    find(page, UNUSUAL)
    page.select_option("#colour-by", label="Site")
    page.click("#find")
    report = axe.run(page)
    assert report.violations_count == 0, report.generate_report()


def test_paper_is_light_and_has_no_controls(visit, path):
    page = visit(path, scheme="dark")
    dark = page.evaluate(BASES, "#strips")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(BASES, "#strips") != dark
    assert not page.locator("#finder").is_visible()
    assert page.locator("#strips").is_visible()
    assert len(page.pdf(print_background=True)) > 100_000


def test_the_methods_are_copied(visit, path):
    page = visit(path)
    page.click("#copy-methods")
    wait_until(page, "document.getElementById('copy-status').textContent")


def test_without_javascript_the_page_says_what_is_missing(browser, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "needs JavaScript" in page.locator("#participants").inner_text()
    assert "The file is cut." in page.locator("#summary").inner_text()
    assert not page.locator("#finder").is_visible()
    context.close()
