"""Structure of a participant's page, without a browser."""

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.report.map_images import map_images, sd_slices
from bids_deeptaskgen.report.page_data import page_data
from bids_deeptaskgen.report.participant_content import ConnectomeContent, Measure, PageWarning, QcRow
from bids_deeptaskgen.report.participant_html import render_participant
from bids_deeptaskgen.report.surface import make_surface_sampler
from bids_deeptaskgen.report.viewer_data import BYTE_STEP, coarsen
from tests.report.page_content import (
    CONTRASTS,
    image_content,
    mask,
    participant_content,
    run_content,
    session_content,
)
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


@pytest.fixture(scope="module")
def text():
    return render_participant(participant_content())


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_all_elements_are_closed(page):
    assert page.open == []


def test_the_page_has_landmarks_and_a_link_to_the_content(page):
    assert [len(page.named(tag)) for tag in ("main", "nav", "header", "h1")] == [1, 1, 1, 1]
    assert page.named("a")[0]["href"] == "#content"
    assert page.named("html")[0]["lang"] == "en"


def test_the_navigation_lists_all_sections(page):
    links = [link["href"][1:] for link in page.named("a")][1:]
    assert links == section_ids(page)
    assert links == [
        "summary", "quality", "connectome", "maps", "typicality", "agreement", "methods", "about", "errors",
    ]  # fmt: skip


def test_identifiers_are_unique_and_references_have_targets(page):
    check_identifiers(page)


def test_headings_skip_no_level(page):
    check_headings(page)


def test_images_and_controls_have_names(page):
    check_names(page)


def test_nothing_is_loaded_from_elsewhere(page, text):
    check_sources(page, text)


def test_scripts_are_allowed_by_their_hash_only(page):
    check_policy(page)


def test_the_data_are_json_without_nan(page):
    data = json.loads(page.scripts["page-data"], parse_constant=pytest.fail)
    (session,) = data["sessions"]
    assert [image["label"] for image in session["maps"]] == [
        "motorRh", "motorLf", "gamblingPunishMinusReward",
    ]  # fmt: skip
    assert session["connectome"]["matrix"][-1] == [None] * 6


def test_equal_content_gives_equal_pages(text):
    assert render_participant(participant_content()) == text


def hostile_content():
    """Create content whose every text is hostile."""
    measure = Measure(HOSTILE, HOSTILE, 0.5, HOSTILE)
    image = replace(
        image_content("motorRh", "MOTOR", 1.0), label=HOSTILE, task=HOSTILE, source_name=HOSTILE,
        units=HOSTILE, sd_meaning=HOSTILE, warning=HOSTILE, agreement={HOSTILE: 0.5},
    )  # fmt: skip
    run = replace(run_content(), name=HOSTILE, sources=[HOSTILE], facts={HOSTILE: HOSTILE})
    run = replace(run, carpet_groups=[(HOSTILE, 40)])
    session = session_content(HOSTILE, facts={HOSTILE: HOSTILE}, runs=[run], maps=[image])
    session = replace(
        session,
        warnings=[PageWarning("warn", HOSTILE, HOSTILE, HOSTILE)],
        qc=[QcRow(HOSTILE, HOSTILE, 1.0, HOSTILE, "warn", HOSTILE, HOSTILE, HOSTILE)],
        connectome=replace(session.connectome, roi_names=[HOSTILE] * 6),
        typicality=[measure],
        agreement_measures=[measure],
    )
    return participant_content(
        title=HOSTILE, participant=HOSTILE, notice=HOSTILE, facts={HOSTILE: HOSTILE}, sessions=[session],
        failures={HOSTILE: HOSTILE}, session_agreement=[measure],
        session_agreement_by_contrast={HOSTILE: {HOSTILE: 0.5}}, methods=HOSTILE,
        provenance={HOSTILE: HOSTILE},
    )  # fmt: skip


def test_no_text_of_the_content_becomes_markup(text):
    hostile = render_participant(hostile_content())
    page = Page(hostile)
    assert page.open == []
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert len(page.named("script")) == 2
    assert HOSTILE in page.texts
    assert "49" not in {word.strip() for word in page.texts}
    assert "\u2028" not in page.scripts["page-data"]
    assert json.loads(page.scripts["page-data"])["sessions"][0]["maps"][0]["label"] == HOSTILE
    assert "<img src=x" not in hostile


def test_warnings_and_failures_come_first_in_words(page):
    texts = " ".join(" ".join(page.texts).split())
    assert texts.index("Half of the brain has no signal.") < texts.index("Quality metrics")
    assert "What to do: Check the mask." in texts
    broken = Page(
        render_participant(participant_content(sessions=[], failures={"ses-2": "The file is cut."}))
    )
    assert section_ids(broken) == ["summary", "methods", "about", "errors"]
    assert sum("The file is cut." in text for text in broken.texts) == 2


def test_warnings_of_all_sessions_are_sorted_by_severity():
    sessions = [
        session_content(name, warnings=[PageWarning(level, f"{name} {level}.") for level in ("warn", "fail")])
        for name in ("ses-1", "ses-2")
    ]
    text = render_participant(participant_content(sessions=sessions))
    places = [text.index(f"{name} {level}.") for level in ("fail", "warn") for name in ("ses-1", "ses-2")]
    assert places == sorted(places)


def test_verdicts_have_words_and_symbols(page):
    for symbol, word in (("\u2713", "pass"), ("\u25b2", "warn"), ("\u2715", "fail"), ("\u2013", "n/a")):
        assert symbol in page.texts
        assert any(text.strip() == word for text in page.texts)


def test_maps_are_called_predicted_before_they_are_shown(text):
    assert text.index("Predicted from resting-state fMRI, not measured.") < text.index('id="map-slices"')


def test_facts_of_a_map_include_reliability_with_its_remark_and_calibration(page):
    maps = json.loads(page.scripts["page-data"])["sessions"][0]["maps"]
    facts = [dict(image["facts"]) for image in maps]
    assert facts[0]["Retest reliability"].startswith("r = 0.40 (")
    assert "pattern that all participants share" in facts[0]["Retest reliability"]
    assert [words["Calibration"].split(";")[0] for words in facts] == ["calibrated", *["not calibrated"] * 2]
    assert facts[0]["Agreement between windows"] == "0.700"
    assert [bool(image["warning"]) for image in maps] == [False, False, True]


def test_a_page_without_maps_is_small(text):
    session = session_content(maps=[], connectome=None)
    small = render_participant(participant_content(sessions=[session]))
    page = Page(small)
    assert not {"maps", "connectome"} & set(section_ids(page))
    assert len(page.named("a")) == len(section_ids(page)) + 1
    assert json.loads(page.scripts["page-data"]) == {
        "sessions": [{"name": "task-rest", "maps": [], "connectome": None}]
    }
    assert len(small) < len(text) - 300_000


def test_pages_of_several_sessions_have_maps_at_every_second_voxel():
    data = page_data(participant_content(2))
    assert [image["step"] for session in data["sessions"] for image in session["maps"]] == [2] * 6
    page = Page(render_participant(participant_content(2)))
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert ids.most_common(1)[0][1] == 1


def test_a_demeaned_series_has_no_ratio_and_its_mean_image_is_called_a_change():
    run = replace(run_content(), is_demeaned=True)
    remark = "n/a, because the mean was removed"
    session = replace(session_content("task-rest", runs=[run]), tsnr=None, tsnr_limit=0.0, tsnr_remark=remark)
    text = render_participant(participant_content(sessions=[session]))
    assert remark in text
    assert "Mean change over time" in text
    assert "Mean over standard deviation" not in text
    plain = render_participant(participant_content(sessions=[session_content("task-rest")]))
    assert "Mean change over time" not in plain
    assert remark not in plain


def test_sets_of_maps_are_called_by_what_they_differ_in_and_all_pairs_are_listed():
    sessions = [session_content("task-rest run-1"), session_content("task-rest run-2")]
    by_contrast = {"a": {"one and two": 0.1}, "b": {"one and two": 0.2, "two and three": 0.3}}
    measure = Measure("session_r", "one and two", 0.5, "")
    text = render_participant(
        participant_content(
            sessions=sessions,
            set_kind="run",
            session_agreement=[measure],
            session_agreement_by_contrast=by_contrast,
        )
    )
    assert "Between runs" in text
    assert 'for="session">Run<' in text
    assert "sessions" not in text.partition('<section id="agreement"')[2].partition("</section>")[0]
    assert "two and three" in text


def test_values_that_are_missing_need_no_figure():
    run = replace(
        run_content(),
        fd_mm=None,
        dvars=None,
        is_kept=None,
        carpet=None,
        carpet_groups=(),
        mean=None,
        mask=None,
    )
    session = session_content(
        runs=[run], tsnr=None, roi_coverage=None, qc=[], typicality=[], agreement_measures=[]
    )
    page = Page(render_participant(participant_content(sessions=[session])))
    assert "typicality" not in section_ids(page)
    assert page.named("svg") == []


def test_coarser_bytes_keep_zero_the_sign_and_missing_values():
    codes = np.arange(256, dtype=np.uint8)
    coarse = coarsen(codes, BYTE_STEP)
    assert (coarse == 0).nonzero()[0].tolist() == [0]
    assert coarse[128] == 128
    assert (np.sign(coarse[1:].astype(int) - 128) * np.sign(codes[1:].astype(int) - 128) >= 0).all()
    assert np.abs(coarse.astype(int) - codes).max() <= BYTE_STEP


def test_a_page_of_47_contrasts_with_deviations_is_below_5_megabytes():
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(OUTPUT_GRID.shape), 2.5)
    images = map_images(np.where(mask(), noise, 0), make_surface_sampler(mask()))
    sd, limit = sd_slices(np.abs(noise), mask())
    image = replace(image_content("motorRh", "MOTOR", 1.0), images=images, sd_slices=sd, sd_limit=limit)
    maps = [replace(image, label=f"contrast{number}") for number in range(47)]
    seeds = np.broadcast_to(np.where(sd > 0, images.slices[:, ::2, ::2], 0), (50, *sd.shape))
    connectome = ConnectomeContent([f"ROI {roi}" for roi in range(50)], np.eye(50), seeds)
    page = render_participant(
        participant_content(sessions=[session_content(maps=maps, connectome=connectome)])
    )
    assert 3e6 < len(page.encode()) < 5e6


def test_long_facts_are_below_the_others_and_as_wide_as_the_page():
    facts = {"Input files": "bids:raw:sub-01/func/sub-01_bold.nii.gz\n" * 3, "Model": "embedded"}
    text = render_participant(participant_content(facts=facts))
    assert text.index("<div><dt>Model</dt>") < text.index('<div class="long"><dt>Input files</dt>')


def test_a_page_of_failures_has_the_reason_and_no_empty_parts():
    content = participant_content(
        sessions=[], failures={"sub-01": "Only 2 minutes."}, facts={}, notice="", methods=""
    )
    text = render_participant(content)
    page = Page(text)
    assert section_ids(page) == ["summary", "about", "errors"]
    assert text.count("Only 2 minutes.") == 2
    assert "There are no maps of this participant" in text
    assert not re.search(r"<dl[^>]*>\s*</dl>", text)


def test_the_agreement_of_each_contrast_is_drawn_if_it_has_values(text):
    assert "Agreement of the maps of each contrast: task-rest" in text
    images = [replace(image_content(*contrast), agreement={}) for contrast in CONTRASTS]
    without = render_participant(participant_content(sessions=[session_content(maps=images)]))
    assert "Agreement of the maps of each contrast" not in without


def test_dummy_scans_differ_from_censored_volumes(text):
    assert "removed at the start: 4 of 60" in text
    run = replace(run_content(), n_dummies=3)
    known = render_participant(participant_content(sessions=[session_content(runs=[run])]))
    assert "dummy scans: 3 of 60" in known
    assert "censored: 1 of 60" in known
