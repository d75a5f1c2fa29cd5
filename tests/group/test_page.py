"""Content of the page of a group, and the text for a methods section."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bids_deeptaskgen.group import map_images, write_page
from bids_deeptaskgen.group.individuality import CompleteSessions
from bids_deeptaskgen.group.map_images import FD_R, MEAN
from bids_deeptaskgen.group.methods import methods_text
from bids_deeptaskgen.group.page import SetParts, _individuality_remarks, missing_sessions, page_facts
from bids_deeptaskgen.report import group_html
from tests.group.dataset import make_dataset
from tests.group.running import run


@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    """Run a group with everything but the drawing of images and of the page; return the page's content."""
    contents, patch = [], pytest.MonkeyPatch()
    patch.setattr(group_html, "render_group", lambda content: contents.append(content) or "<html>")
    patch.setattr(map_images, "make_surface_sampler", lambda mask: type("Sampler", (), {"mask": mask}))
    patch.setattr(map_images, "map_images", lambda values, sampler, *_: values)
    patch.setattr(map_images, "sd_slices", lambda values, mask, *_: (values, 1.0))
    folder = tmp_path_factory.mktemp("page") / "out"
    cohort = make_dataset(folder, n=12, age_slope=0.05, contrasts=("motorLh", "wm2bk"))
    (folder / "sub-03.html").write_text("")
    for path in (folder / "sub-12").rglob("*.*"):
        path.unlink()
    try:
        assert run(folder, reports="full", design="age", covariates=("none",)) == 0
    finally:
        patch.undo()
    assert (folder / "group.html").read_text() == "<html>"
    return cohort, contents[0]


def test_the_page_has_the_maps_of_each_kind(captured):
    _, content = captured
    (part,) = content.sets
    titles = [group.title for group in part.map_groups]
    assert titles == [MEAN, FD_R, "Effect of age (t)"]
    assert all([item.label for item in group.maps] == ["motorLh", "wm2bk"] for group in part.map_groups)
    assert part.map_groups[0].is_predicted
    assert not part.map_groups[1].is_predicted
    facts = part.map_groups[2].facts["wm2bk"]
    (row,) = [row for row in part.design.rows if row.contrast == "wm2bk"]
    assert facts["Voxels with q < 0.05"] == str(row.n_fdr)


def test_the_page_describes_the_group_and_the_missing(captured):
    _, content = captured
    assert content.title == "Group of 11 participants"
    assert content.facts["Participants with maps"] == "11"
    assert content.facts["Sets of maps"] == "task-rest: 11 participants"
    (missing,) = content.missing_sessions
    assert missing.participant == "sub-12"
    assert "no record of finished maps" in missing.reason
    (part,) = content.sets
    assert part.facts["Participants in the means"] == "11"
    assert part.facts["Sessions"] == "22"
    assert {row.page for row in part.rows} == {"", "sub-03.html"}
    assert "--design=age" in content.provenance["Command line"]
    assert content.provenance["Settings hash of task-rest"] == "a" * 64


def test_parts_that_are_not_available_are_explained(captured):
    (part,) = captured[1].sets
    assert any("ICC(3,1) needs at least 20 participants" in remark for remark in part.individuality_remarks)
    assert not any("Identification needs" in remark for remark in part.individuality_remarks)
    assert part.qc_fc.remark == ""
    assert part.qc_fc.distance_remark
    assert [entry.n_participants for entry in part.similarity] == [11, 11]
    np.testing.assert_allclose(np.diagonal(part.similarity[0].matrix), 1, atol=1e-6)
    assert part.embedding.axes.shape == (11, 4)


def remarks(**fields):
    complete = CompleteSessions(("1", "2"), np.zeros((25, 2), int), 3)
    plan, request = SimpleNamespace(participants=["01"]), SimpleNamespace(pairs=[1])
    prepared = {"plan": plan, "request": request, "complete": complete, "connectome": 1, "parcels": 1}
    results = SimpleNamespace(icc=fields.pop("icc", []))
    prepared = SimpleNamespace(**(prepared | fields))
    return _individuality_remarks(SetParts(prepared, results, None, [], None, [], {}, []))


def test_remarks_on_the_reliability_name_what_is_missing():
    (remark,) = remarks(connectome=None, parcels=None)
    assert "needs the ROI x ROI connectomes" in remark
    (remark,) = remarks(parcels=None)
    assert "needs the image of the ROIs" in remark
    (remark,) = remarks()
    assert "no ROI has values" in remark
    (remark,) = remarks(icc=[1])
    assert "of the 25 participants with ses-1 and ses-2." in remark
    assert remark.endswith("who lack one of these: 3.")


def test_the_methods_text_has_what_was_computed_alone(captured):
    content = captured[1]
    assert "SecondLevelModel" in content.methods
    assert "QC-FC" in content.methods
    assert "ses-1 and ses-2" in content.methods
    assert "ICC(3,1)" not in content.methods
    assert "hreshold-free" not in content.methods
    assert content.methods.count("### References") == 1
    full = methods_text(content.sets, has_permutations=True, has_tfce=True)
    assert "hreshold-free" in full
    without = [replace(part, design=None, identification=(), similarity=()) for part in content.sets]
    text = methods_text(without, has_permutations=True, has_tfce=True)
    assert "SecondLevelModel" not in text
    assert "permut" not in text
    assert "{" not in full + text


def test_the_methods_text_has_the_design_of_each_set(captured):
    (part,) = captured[1].sets
    other = replace(part, name="task-rest other", design=replace(part.design, facts={"Participants": "99"}))
    untested = replace(part, name="task-rest small", design=None)
    text = methods_text([part, other, untested], has_permutations=False, has_tfce=False)
    assert "Maps of task-rest: age (Participants: 11 " in text
    assert "Maps of task-rest other: age (Participants: 99)." in text
    assert "small" not in text
    assert "Design: age (Participants: 11 " in captured[1].methods


def test_missing_participants_without_sets_are_described(tmp_path):
    rows = [{"participant_id": "sub-01", "session_id": None, "reason": "a\n b"}]
    (row,) = missing_sessions(rows, tmp_path)
    assert (row.session, row.reason, row.page) == ("", "a b", "")
    assert page_facts([], rows)["Participants or sessions without maps"] == "1"


def test_no_page_is_written_and_an_old_one_is_removed_without_reports(output, monkeypatch):
    monkeypatch.setattr(write_page, "write_text", lambda path, _: path.write_text("page"))
    monkeypatch.setattr(group_html, "render_group", lambda content: "")
    monkeypatch.setattr("bids_deeptaskgen.group.set_analysis.MapPictures", lambda: None)
    run(output, reports="full")
    assert (output / "group.html").exists()
    run(output)
    assert not (output / "group.html").exists()
