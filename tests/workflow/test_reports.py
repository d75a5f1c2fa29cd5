"""Pages of whole runs: full, small and none; made again from the output; and never in the way of maps."""

import json
import shutil

import pytest

from bids_deeptaskgen.report import participant_html
from bids_deeptaskgen.report.pages import read_mark
from tests.inprocess import call, copy_participant, only

FIRST = "sub-01.html"


def options_of(model):
    return ("participant", "--model", model, "--nprocs=1", "--min-minutes=1", "--min-dof=5")


@pytest.fixture(scope="module")
def reported(simulated, model, tmp_path_factory):
    """Return the output of a run with full pages over two participants, one of which fails."""
    folder = tmp_path_factory.mktemp("reported")
    data = folder / "fmriprep"
    copy_participant(simulated, "01", data, "01")
    func = copy_participant(simulated, "02", data, "02")
    only(func, "desc-confounds_timeseries.tsv").write_text("trans_x\n1\n", "utf-8")
    ended = call(data, folder / "out", *options_of(model), "--reports=full")
    assert ended.code == 1
    return data, folder / "out", ended


@pytest.fixture
def output(reported, tmp_path):
    """Return a copy of that output, which a test may modify."""
    return shutil.copytree(reported[1], tmp_path / "out")


def remake(model, data, output, *words):
    return call(data, output, *options_of(model), "--reports-only", *words)


def test_a_page_says_what_was_done_and_shows_every_map(reported):
    data, output, ended = reported
    page = (output / FIRST).read_text("utf-8")
    assert read_mark(output / FIRST) == "full"
    for words in (
        "contrast1",
        "all maps are written",
        "desc-preproc_bold.nii.gz",
        "bids-deeptaskgen",
        "--min-dof=5",
        "sha256",
        "not measured",
    ):
        assert words in page
    assert 'http-equiv="Content-Security-Policy"' in page
    assert "pages are in" in ended.out


def test_a_participant_that_failed_has_a_page_with_the_reason(reported):
    page = (reported[1] / "sub-02.html").read_text("utf-8")
    assert "1 row" in page or "rows" in page
    assert "sub-02 task-rest: no maps." in page


def test_a_failure_stays_on_pages_made_later(reported, model, output):
    page = (output / "sub-02.html").read_bytes()
    (output / "sub-02.html").unlink()
    assert remake(model, reported[0], output).code == 0
    assert (output / "sub-02.html").read_bytes() == page
    assert b"No errors." not in page


def test_a_failure_after_finished_maps_is_told_from_one_without_maps(reported, model, output):
    (output / "logs" / "failed-sub-01.json").write_text('{"sub-01 task-rest": "the disk is full"}', "utf-8")
    assert remake(model, reported[0], output, "--reports=qc").code == 0
    page = (output / FIRST).read_text("utf-8")
    assert "sub-01 task-rest: failed in the most recent run; its maps are of an earlier run." in page
    assert "maps of an earlier run; the most recent run failed" in page
    assert "no maps." not in page
    assert "all maps are written" not in page


def test_a_dry_run_lists_the_pages_and_writes_nothing(reported, model, output):
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    ended = remake(model, reported[0], output, "--dry-run", "--participant-label", "01", "99")
    assert ended.out.splitlines() == [str(output / FIRST)]
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def test_labels_without_maps_are_named(reported, model, output):
    ended = remake(model, reported[0], output, "--reports=qc", "--participant-label", "01", "99")
    assert ended.code == 1
    assert "no maps and no recorded failure of sub-99" in ended.err
    assert read_mark(output / FIRST) == "qc"
    assert remake(model, reported[0], output, "--participant-label", "99").code == 3


def test_flags_of_other_versions_are_shown_without_their_meaning(reported, model, output):
    record = only(output / "sub-01" / "func", "_desc-qc_metrics.json")
    content = json.loads(record.read_text("utf-8"))
    content["Flags"] = [{"Name": "flag_of_tomorrow", "Message": "The moon was full."}]
    record.write_text(json.dumps(content), "utf-8")
    assert remake(model, reported[0], output, "--reports=qc").code == 0
    assert "The moon was full." in (output / FIRST).read_text("utf-8")


def test_a_page_without_images_of_the_series_says_why(reported, model, output):
    note = "Framewise displacement, carpet plot, mean image"
    assert note not in (output / FIRST).read_text("utf-8")
    next((output / "sub-01").rglob("*_figures.npz")).unlink()
    assert remake(model, reported[0], output).code == 0
    page = (output / FIRST).read_text("utf-8")
    assert note in page
    assert "--overwrite --reports full" in page
    assert "contrast1" in page


def test_the_model_of_the_maps_is_found_by_name(reported, model, output, tmp_path, monkeypatch):
    name = json.loads((output / "dataset_description.json").read_text("utf-8"))["DeepTaskGen"]["Model"][
        "Name"
    ]
    options = ("participant", "--model=embedded", "--nprocs=1", "--reports-only", "--reports=qc")
    warning = f"The model of the maps ({name}) is not available"
    monkeypatch.setenv("DEEPTASKGEN_HOME", str(tmp_path / "home"))
    ended = call(reported[0], output, *options)
    assert ended.code == 0
    assert warning in ended.err
    assert "add --model" in ended.err
    shutil.copytree(model, tmp_path / "home" / "models" / name)
    assert warning not in call(reported[0], output, *options).err


def test_a_page_whose_process_ended_is_reported_and_not_made_in_the_main_process(
    reported, model, tmp_path, monkeypatch
):
    monkeypatch.setattr("bids_deeptaskgen.workflow.interfaces.write_pages", lambda _job, _records: None)
    words = (*options_of(model), "--participant-label=01", "--reports=full")
    ended = call(reported[0], tmp_path / "out", *words)
    assert ended.code == 0
    assert "participant  status" in ended.out
    assert "its process ended before it was done" in ended.err
    assert "--reports-only" in ended.err
    assert not list((tmp_path / "out").glob("*.html"))
    assert remake(model, reported[0], tmp_path / "out").code == 1


def test_pages_made_again_from_the_output_alone_are_equal(reported, model, output, tmp_path):
    page = (output / FIRST).read_bytes()
    (output / FIRST).unlink()
    ended = remake(model, tmp_path / "missing", output)
    assert (ended.code, (output / FIRST).read_bytes() == page) == (0, True)


def test_the_small_page_has_quality_but_no_maps(reported, model, output):
    assert remake(model, reported[0], output, "--reports=qc").code == 0
    page, full = (output / FIRST).read_text("utf-8"), (reported[1] / FIRST).read_text("utf-8")
    assert read_mark(output / FIRST) == "qc"
    assert "Quality" in page
    assert "contrast1" not in page
    assert len(page) < len(full)


def test_without_reports_there_is_no_page_and_no_image_for_it(reported, model, tmp_path):
    data, full, _ = reported
    output = tmp_path / "none"
    assert call(data, output, *options_of(model), "--reports=none", "--participant-label=01").code == 0
    assert not list(output.glob("*.html"))
    assert not list(output.rglob("*_figures.npz"))
    for path in sorted((full / "sub-01").rglob("*_statmap.nii.gz")):
        assert (output / path.relative_to(full)).read_bytes() == path.read_bytes()


def test_pages_of_maps_without_images_of_the_series_can_be_made_later(reported, model, output):
    for path in (output / "sub-01").rglob("*_figures.npz"):
        path.write_bytes(b"damaged")
    ended = remake(model, reported[0], output)
    assert ended.code == 0
    assert "contrast1" in (output / FIRST).read_text("utf-8")


def test_an_error_of_a_page_is_reported_and_leaves_the_maps(reported, model, tmp_path, monkeypatch):
    def fail(_content):
        message = "no colours"
        raise RuntimeError(message)

    monkeypatch.setattr(participant_html, "render_participant", fail)
    output = tmp_path / "out"
    words = (*options_of(model), "--participant-label=01", "--reports=full")
    ended = call(reported[0], output, *words)
    assert ended.code == 0
    assert list(output.rglob("*_statmap.nii.gz"))
    assert "sub-01: the page could not be made; its maps are not affected." in ended.err
    assert "no colours" in (output / "logs" / "page-sub-01.txt").read_text("utf-8")
    assert remake(model, reported[0], output).code == 1


def test_text_of_files_is_escaped(model, reported, output):
    hostile = "</script><img src=x onerror=alert(1)>"
    for path in (output / "sub-01").rglob("*.json"):
        content = json.loads(path.read_text("utf-8"))
        if "Contrast" in content.get("DeepTaskGen", {}):
            content["DeepTaskGen"]["Model"] |= {"Name": hostile, "Licence": hostile}
            content["DeepTaskGen"]["Contrast"] |= {"Task": hostile, "SourceName": hostile}
            content["DeepTaskGen"]["Notice"] = hostile
            content["Sources"] = [hostile]
        content |= {"Flags": [{"Name": "frozen_volumes", "Message": hostile}]} if "Flags" in content else {}
        path.write_text(json.dumps(content), "utf-8")
    (output / "CITATION.md").write_text(hostile, "utf-8")
    assert remake(model, reported[0], output).code == 0
    page = (output / FIRST).read_text("utf-8")
    assert "onerror" in page
    assert "<img src=x" not in page
    assert page.count("</script>") == (reported[1] / FIRST).read_text("utf-8").count("</script>")


def test_reports_only_needs_maps_and_a_kind_of_page(reported, model, output, tmp_path):
    assert remake(model, reported[0], output, "--reports=none").code == 2
    ended = remake(model, reported[0], tmp_path / "empty")
    assert ended.code == 3
    assert "no finished maps" in ended.err


def test_sessions_of_a_participant_are_compared(simulated, model, tmp_path):
    data = tmp_path / "fmriprep"
    for subject, session in (("01", "a"), ("02", "b")):
        func = copy_participant(simulated, subject, data, "01")
        target = data / "sub-01" / f"ses-{session}" / "func"
        target.mkdir(parents=True)
        for path in list(func.iterdir()):
            path.rename(target / path.name.replace("sub-01_", f"sub-01_ses-{session}_"))
        func.rmdir()
    assert call(data, tmp_path / "out", *options_of(model), "--reports=full").code == 0
    page = (tmp_path / "out" / FIRST).read_text("utf-8")
    assert "ses-a task-rest and ses-b task-rest" in page


def test_a_label_without_maps_is_answered_with_those_that_have_maps(reported, model, output):
    ended = remake(model, reported[0], output, "--participant-label=77")
    assert ended.code == 3
    assert "sub-01" in ended.sentence
    assert "Correct --participant-label" in ended.sentence
