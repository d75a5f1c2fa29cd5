"""Structure of a group's page, without a browser."""

import json
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.report.group_content import (
    Column,
    DesignContent,
    GroupContent,
    GroupSetContent,
    MapGroup,
    MissingSession,
    Outlier,
    QcFcContent,
    SessionRow,
)
from bids_deeptaskgen.report.group_html import MAX_LISTED, images_remark, render_group
from bids_deeptaskgen.report.group_page_data import MAX_POINTS, group_page_data, pack
from bids_deeptaskgen.report.group_page_images import DETAILS, GroupImages, choose_images
from bids_deeptaskgen.report.group_page_rows import fit_rows
from bids_deeptaskgen.report.participant_content import PageWarning
from tests.report.group_page_content import (
    UNUSUAL,
    group_content,
    large_set,
    mean_groups,
    names,
    noise_maps,
    qc_fc_content,
    set_content,
    similarity_content,
)
from tests.report.page_content import image_content
from tests.report.parsed_page import (
    HOSTILE,
    Page,
    check_headings,
    check_identifiers,
    check_names,
    check_policy,
    check_sources,
    section_ids,
)

ALL_SECTIONS = [
    "summary", "participants", "quality", "maps", "differences", "qc-fc", "individuality", "embedding",
    "methods", "about",
]  # fmt: skip


@pytest.fixture(scope="module")
def text():
    return render_group(group_content())


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture(scope="module")
def data(page):
    return json.loads(page.scripts["page-data"], parse_constant=pytest.fail)


def words(text):
    """Return the visible words of a page."""
    return " ".join(" ".join(Page(text).texts).split())


def unpack(packed):
    """Convert the bytes of `pack` to numbers."""
    codes = np.frombuffer(b64decode(packed["bytes"]), np.uint8)
    values = packed["low"] + (codes - 1.0) / 254 * (packed["high"] - packed["low"])
    return np.where(codes == 0, np.nan, values)


def test_the_page_is_well_formed_and_loads_nothing(page, text):
    assert page.open == []
    check_identifiers(page)
    check_headings(page)
    check_names(page)
    check_sources(page, text)
    check_policy(page)


def test_the_navigation_lists_all_sections(page):
    links = [link["href"][1:] for link in page.named("a") if link["href"].startswith("#")][1:]
    assert links == section_ids(page) == ALL_SECTIONS


def test_equal_content_gives_equal_pages(text):
    assert render_group(group_content()) == text


def test_sections_without_content_are_left_out():
    bare = GroupSetContent("task-rest", {}, [], [])
    assert section_ids(Page(render_group(group_content(sets=[bare], methods="")))) == [
        "summary", "differences", "about",
    ]  # fmt: skip
    empty = render_group(group_content(sets=[]))
    assert section_ids(Page(empty)) == ["summary", "methods", "about"]
    assert "There are no maps" in empty


def test_missing_maps_and_warnings_come_first_with_their_reasons(text):
    shown = words(text)
    places = [
        shown.index(part)
        for part in (
            "2 participants have sessions without maps",
            "Only 2 minutes remain after censoring.",
            "The file is cut.",
            "One participant moved more than all others.",
            "participants with maps",
        )
    ]
    assert places == sorted(places)


def test_many_missing_sessions_are_counted_and_found_by_the_search():
    n = MAX_LISTED + 5
    missing = [MissingSession(f"sub-{number}", "", "No file.") for number in range(n)]
    text = render_group(group_content(missing_sessions=missing))
    assert words(text).count("No file.") == MAX_LISTED
    assert "5 more are not listed here" in text
    page = Page(text)
    assert len(json.loads(page.scripts["page-data"])["missing"]) == n


def test_the_page_explains_why_the_mean_is_not_tested_with_and_without_a_design(text):
    assert "no valid null hypothesis" in text
    without = render_group(group_content(sets=[set_content(design=None)]))
    assert "no valid null hypothesis" in without
    assert "No design was given" in without
    assert "No design was given" not in text


def test_maps_are_called_predicted_before_they_are_shown(text):
    assert text.index("Predicted from resting-state fMRI, not measured.") < text.index('id="map-slices"')
    tests = replace(mean_groups()[1], is_predicted=False)
    only_tests = render_group(group_content(sets=[set_content(map_groups=[tests])]))
    assert "Predicted from resting-state fMRI, not measured." not in only_tests


def test_facts_thresholds_and_effects_of_maps_are_kept(data):
    means, tests = data["sets"][0]["groups"]
    facts = dict(means["maps"][0]["facts"])
    assert facts["Participants"] == "30"
    assert facts["Retest reliability"].startswith("r = 0.40")
    assert "Retest reliability" not in dict(tests["maps"][0]["facts"])
    assert [image.get("threshold") for image in tests["maps"]] == [0.5, None, None]
    assert [bool(image["warning"]) for image in tests["maps"]] == [False, True, True]
    assert (means["effect"], tests["effect"]) == ("", "age")
    assert "sd" in means["maps"][0]
    assert "sd" not in tests["maps"][0]


def test_every_part_counts_participants_in_one_order(data):
    (entry,) = data["sets"]
    assert entry["participants"] == names(30)
    assert entry["rows"]["participant"] == list(range(30))
    assert entry["similarity"][0]["participants"] == list(range(30))
    assert entry["outliers"][0][0] == UNUSUAL


def test_packed_numbers_are_kept_within_a_step_and_missing_ones_stay_missing():
    values = np.array([-2.0, 0.1, 3.0, np.nan, np.inf])
    unpacked = unpack(pack(values))
    assert np.isnan(unpacked[3:]).all()
    np.testing.assert_allclose(unpacked[:3], values[:3], atol=5 / 254)
    assert unpack(pack(np.array([4.0, 4.0]))).tolist() == [4, 4]
    assert np.isnan(unpack(pack(np.array([np.nan])))).all()


def test_the_upper_triangle_of_a_similarity_matrix_is_kept():
    matrix = similarity_content(5)[0]
    content = group_content(sets=[set_content(5, similarity=[matrix])])
    data, _ = group_page_data(content)
    values = unpack(data["sets"][0]["similarity"][0]["values"])
    np.testing.assert_allclose(values, matrix.matrix[np.triu_indices(5, 1)], atol=0.01)


def test_many_similarity_matrices_show_fewer_participants():
    matrix = similarity_content(300)[0]
    data, _ = group_page_data(group_content(sets=[set_content(300, similarity=[matrix] * 47)]))
    entries = data["sets"][0]["similarity"]
    assert 100 < len(entries[0]["participants"]) < 300
    assert sum(len(entry["values"]["bytes"]) for entry in entries) < 1.6e6


def test_pairs_of_rois_are_sampled_and_their_histogram_is_complete():
    content = group_content(sets=[set_content(qc_fc=qc_fc_content(["a"], 30, n_rois=100))])
    data, _ = group_page_data(content)
    qc_fc = data["sets"][0]["qcFc"]
    assert sum(qc_fc["edges"]["counts"]) == qc_fc["distance"]["n"] == 4950
    assert 1000 < len(qc_fc["distance"]["mm"]) <= MAX_POINTS
    assert qc_fc["distance"]["binMm"] == sorted(qc_fc["distance"]["binMm"])


def test_remarks_replace_what_is_not_available():
    remark = "No participant has framewise displacement."
    text = render_group(group_content(sets=[set_content(qc_fc=QcFcContent([], remark))]))
    assert remark in text
    spread = qc_fc_content(["a"], 30, with_distance=False)
    text = render_group(group_content(sets=[set_content(qc_fc=spread)]))
    assert "Dependence on distance: n/a." in words(text)
    assert spread.distance_remark in text


def test_values_that_are_not_finite_are_no_values():
    row = SessionRow("sub-01", "sub-01", "", [float("nan"), np.float32(0.25), np.int64(3), None, "ses-1"])
    columns = [Column(f"c{number}", f"C{number}", is_metric=True) for number in range(5)]
    data, _ = group_page_data(group_content(sets=[GroupSetContent("s", {}, columns, [row])]))
    json.dumps(data, allow_nan=False)
    assert [column[0] for column in data["sets"][0]["cells"]] == [None, 0.25, 3, None, "ses-1"]


def hostile_content():
    """Create content whose every text is hostile."""
    image = replace(
        image_content("motorRh", "MOTOR", 1.0), label=HOSTILE, task=HOSTILE, source_name=HOSTILE,
        units=HOSTILE, sd_meaning=HOSTILE, warning=HOSTILE,
    )  # fmt: skip
    base = set_content(5)
    design = base.design
    hostile = replace(
        base,
        name=HOSTILE,
        facts={HOSTILE: HOSTILE},
        columns=[
            Column(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, is_metric=True),
            Column("other", "Other", is_metric=True),
        ],
        rows=[SessionRow(HOSTILE, HOSTILE, HOSTILE, [float(n), HOSTILE]) for n in range(3)],
        warnings=[PageWarning("warn", HOSTILE, HOSTILE, HOSTILE)],
        outliers=[Outlier(HOSTILE, HOSTILE, HOSTILE, 1.0, 9.0)],
        map_groups=[MapGroup(HOSTILE, HOSTILE, [image], {HOSTILE: {HOSTILE: HOSTILE}})],
        design=DesignContent(
            HOSTILE, {HOSTILE: HOSTILE}, [HOSTILE], {HOSTILE: HOSTILE}, [HOSTILE], [HOSTILE],
            np.ones((1, 1)), [replace(design.rows[0], contrast=HOSTILE, effect=HOSTILE)],
        ),
        qc_fc=QcFcContent([replace(base.qc_fc.rows[0], name=HOSTILE)], HOSTILE, distance_remark=HOSTILE),
        similarity=[replace(base.similarity[0], title=HOSTILE, participants=[HOSTILE] * 5)],
        identification=[replace(base.identification[0], contrast=HOSTILE, pair=HOSTILE)],
        icc=[replace(base.icc[0], contrast=HOSTILE, roi=HOSTILE)],
        individuality_remarks=[HOSTILE],
        embedding=replace(base.embedding, participants=[HOSTILE] * 5, title=HOSTILE),
    )  # fmt: skip
    return GroupContent(
        HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, [hostile, replace(hostile, name="other")],
        [MissingSession(HOSTILE, HOSTILE, HOSTILE, HOSTILE)], HOSTILE, {HOSTILE: HOSTILE},
    )  # fmt: skip


def test_an_identification_of_no_participants_has_no_chance_rate():
    part = set_content(5)
    row = replace(part.identification[0], n_participants=0, rate=float("nan"), mean_rank=float("nan"))
    data, _ = group_page_data(GroupContent("", "", {}, [replace(part, identification=[row], map_groups=())]))
    assert data["sets"][0]["identification"][0][3:7] == [0, None, None, None]


def test_no_text_of_the_content_becomes_markup():
    hostile = render_group(hostile_content())
    page = Page(hostile)
    assert page.open == []
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert len(page.named("script")) == 2
    assert "49" not in {word.strip() for word in page.texts}
    assert "<img src=x" not in hostile


def test_images_get_coarser_with_the_number_of_maps():
    maps = noise_maps(2)
    group = MapGroup("Mean", "", maps)
    sizes = [10**9, 150_000, 60_000, 20_000]
    steps = [choose_images([group], n_bytes).detail for n_bytes in sizes]
    assert steps[0] == DETAILS[0]
    assert [DETAILS.index(detail) for detail in steps] == sorted(DETAILS.index(detail) for detail in steps)
    assert choose_images([group, replace(group, title="t")], 10).titles_left_out == ["Mean", "t"]


def test_the_page_says_when_images_are_coarser():
    assert images_remark(GroupImages(DETAILS[0])) == ""
    assert "every second voxel" in images_remark(GroupImages(DETAILS[2]))
    assert "fewer colours" in images_remark(GroupImages(DETAILS[1]))
    assert "no space for the maps of: t" in images_remark(GroupImages(DETAILS[-1], ["t"]))
    with_maps = [MapGroup(f"Effect {number}", "", noise_maps(2)) for number in range(100)]
    text = render_group(group_content(sets=[set_content(map_groups=with_maps)]))
    assert "its images are coarser" in text
    assert "fsaverage4" in text


@pytest.mark.parametrize("n", [1000, 5000])
def test_a_page_of_a_large_study_is_below_8_megabytes(n):
    content = group_content(sets=[replace(large_set(n, 12), map_groups=four_times_as_many_maps())])
    assert 2e6 < len(render_group(content).encode()) < 8e6


def test_the_participants_of_the_edges_are_those_of_the_connectome():
    qc_fc = qc_fc_content(["motorRh"], 30)
    n_pairs = len(qc_fc.edges)
    contrast, connectome = qc_fc.rows[0], qc_fc.rows[-1]
    rows = [
        replace(connectome, n_values=n_pairs - 1),
        replace(contrast, n_values=n_pairs, n_participants=11),
    ]
    content = group_content(sets=[set_content(qc_fc=replace(qc_fc, rows=rows))])
    (part,) = group_page_data(content)[0]["sets"]
    assert part["qcFc"]["edges"]["nParticipants"] == 30


def many_rows(n, n_columns=37):
    """Create a set of many participants, of whom two fail and one is an outlier."""
    values = np.random.default_rng(0).uniform(0, 100, (n, n_columns)).round(6).tolist()
    columns = [Column("verdict", "Verdict", is_number=False)]
    columns += [Column(f"metric{k}", f"Metric {k}", is_metric=True) for k in range(n_columns)]
    verdicts = {17: "fail", n - 1: "fail"}
    rows = [
        SessionRow(f"sub-{k:05d}", f"sub-{k:05d}", f"sub-{k:05d}.html", [verdicts.get(k, "pass"), *cells])
        for k, cells in enumerate(values)
    ]
    outlier = Outlier("sub-00023", "sub-00023", "Metric 1", 0.9, 12.1)
    return GroupSetContent(
        "task-rest", {}, columns, rows, outliers=[outlier], table="group/task-rest_desc-qc_metrics.tsv"
    )


def test_a_page_of_many_rows_shows_failures_outliers_and_a_sample_and_says_so():
    n = 40_000
    text = render_group(group_content(sets=[replace(many_rows(n), map_groups=four_times_as_many_maps())]))
    assert len(text.encode()) < 8e6
    (data,) = json.loads(Page(text).scripts["page-data"])["sets"]
    shown = data["rows"]["name"]
    assert {"sub-00017", f"sub-{n - 1:05d}", "sub-00023"} < set(shown)
    assert shown == sorted(shown)
    assert 5000 < len(shown) < n / 2
    assert all(len(column) == len(shown) for column in data["cells"])
    assert data["outliers"][0][0] == shown.index("sub-00023")
    remark = words(text)
    assert f"space for {len(shown):,} of 40,000 rows" in remark
    assert "All rows are in group/task-rest_desc-qc_metrics.tsv." in remark
    # Participants are drawn from all, not from the first.
    assert np.mean([int(name[4:]) for name in shown]) == pytest.approx(n / 2, rel=0.05)


def test_sets_share_the_space_of_rows():
    parts = [replace(many_rows(8000), name=name) for name in ("a", "b")]
    one, two = fit_rows(group_content(sets=parts[:1])), fit_rows(group_content(sets=parts))
    assert one.sets[0].rows_remark == ""
    assert one.sets[0].rows == parts[0].rows
    assert 0 < len(two.sets[0].rows) == len(two.sets[1].rows) < 8000
    assert fit_rows(group_content(sets=parts)).sets[0].rows == two.sets[0].rows


def four_times_as_many_maps():
    """Create 47 maps with SD and 94 without from twelve."""
    maps = [replace(image, label=f"c{n}") for n, image in enumerate((*noise_maps(12),) * 4)][:47]
    tests = [replace(image, sd_slices=None, units="t") for image in maps]
    return [
        MapGroup("Mean over participants", "", maps),
        MapGroup("Effect of age (t)", "", tests, is_predicted=False),
        MapGroup("Correlation with mean FD", "", tests, is_predicted=False),
    ]
