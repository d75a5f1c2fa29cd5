"""Names of pages, their distribution over sessions, and whether they are up to date."""

import pytest

from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.report.pages import (
    content_digest,
    is_current,
    kind_mark,
    list_pages,
    plan_pages,
    read_mark,
)


def result(session=None, **entities):
    pairs = tuple(({"task": "rest"} | entities).items())
    return Result("01", session, pairs, {}, "a" * 64, Maps("3d", ("wm2bk",)))


@pytest.mark.parametrize(
    ("results", "names"),
    [
        ([], ["sub-01.html"]),
        ([result()], ["sub-01.html"]),
        ([result("1"), result("2"), result("3")], ["sub-01.html"]),
        ([result(str(n)) for n in range(4)], [f"sub-01_ses-{n}.html" for n in range(4)]),
        (
            [result("1", run="1"), result("1", run="2"), result("2", run="1"), result("2", run="2")],
            ["sub-01_ses-1.html", "sub-01_ses-2.html"],
        ),
        ([result(run=str(n)) for n in range(4)], [f"sub-01_task-rest_run-{n}.html" for n in range(4)]),
    ],
)
def test_more_than_three_sets_of_maps_are_split_into_pages_of_sessions(results, names):
    plan = plan_pages("01", results)
    assert list(plan) == names
    assert [member for members in plan.values() for member in members] == results


def write_page(folder, name="sub-01.html", kind="full", digest=""):
    path = folder / name
    mark = f'<meta name="deeptaskgen-content" content="{digest}">'
    path.write_text(f"<!DOCTYPE html><html><head>{kind_mark(kind)}{mark}</head></html>", "utf-8")
    return path


def write_record(folder, item):
    path = item.path(folder, "qc_metrics")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}", "utf-8")
    return path


def test_a_page_is_current_if_nothing_that_it_shows_has_changed(tmp_path):
    items = [result("1"), result("2")]
    records = [write_record(tmp_path, item) for item in items]
    digest = content_digest(tmp_path, items, {}, "full", "0.1")
    page = write_page(tmp_path, digest=digest)
    assert is_current(page, content_digest(tmp_path, items, {}, "full", "0.1"))
    assert not is_current(tmp_path / "sub-02.html", digest)
    others = [
        content_digest(tmp_path, items, {}, "qc", "0.1"),
        content_digest(tmp_path, items, {}, "full", "0.2"),
        content_digest(tmp_path, items[:1], {}, "full", "0.1"),
        content_digest(tmp_path, items, {"sub-01 ses-3": "bad"}, "full", "0.1"),
    ]
    records[1].write_text('{"n_volumes": 1}', "utf-8")
    others.append(content_digest(tmp_path, items, {}, "full", "0.1"))
    assert len({digest, *others}) == 6
    assert not any(is_current(page, other) for other in others)


def test_pages_of_other_programs_and_participants_are_not_listed(tmp_path):
    ours = [write_page(tmp_path), write_page(tmp_path, "sub-01_ses-1.html", "qc")]
    write_page(tmp_path, "sub-011.html")
    (tmp_path / "sub-01_figures.html").write_text("<html>a page of fMRIPrep</html>", "utf-8")
    (tmp_path / "sub-01_binary.html").write_bytes(b"\xff\xfe\x00")
    assert list_pages(tmp_path, "01") == ours
    assert [read_mark(path) for path in ours] == ["full", "qc"]
