"""Jobs of BABS: each sees one participant or session, and their merged results are those of one run."""

import random
import shutil

import pytest

from tests.babs.clones import comparable, make_clone, merge_outputs
from tests.babs.descriptors import (
    EDITS,
    OUTPUT,
    WORK,
    app_words,
    edited_descriptor,
    input_folder,
    write_filter_file,
)
from tests.inprocess import call
from tests.processes import leftovers, results

SUBJECTS = ("sub-01", "sub-02")
SESSIONS = ("ses-1", "ses-2")


@pytest.fixture(scope="module", autouse=True)
def _home_of_models(models):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPTASKGEN_HOME", str(models))
        yield


@pytest.fixture(scope="module")
def direct(fmriprep, tmp_path_factory):
    """Run both levels over all participants without BABS; return the output folder."""
    output = tmp_path_factory.mktemp("direct") / "deeptaskgen"
    options = [word for pair in EDITS.items() for word in pair]
    run(fmriprep, output, "participant", "--model", "hcp-ya", *options)
    run(output, output, "group")
    return output


def run(*words):
    ended = call(*words)
    assert ended.code == 0, ended.err
    return ended


def run_job(fmriprep, folder, subject, session=None, *, has_filter=False, is_zipped=True, **others):
    """Run a job in its clone and return its output folder."""
    descriptor = edited_descriptor("session" if session else "participant", is_zipped=is_zipped)
    clone = make_clone(fmriprep, folder, descriptor, subject, session, **others)
    filter_file = write_filter_file(clone, session) if has_filter else None
    run(*app_words(descriptor, clone, subject, session, filter_file=filter_file))
    return clone / OUTPUT


@pytest.fixture(scope="module")
def participant_jobs(fmriprep, tmp_path_factory):
    """Run a job for each participant, in a clone with dangling links of the others."""
    folder = tmp_path_factory.mktemp("participant_jobs")
    return {
        subject: run_job(fmriprep, folder / subject, subject, is_zipped=False, others="dangling")
        for subject in SUBJECTS
    }


@pytest.fixture(scope="module")
def session_jobs(fmriprep, tmp_path_factory):
    """Run a job for each session, by turns with and without a filter file."""
    folder = tmp_path_factory.mktemp("session_jobs")
    return {
        (subject, session): run_job(
            fmriprep, folder / f"{subject}_{session}", subject, session, has_filter=session == SESSIONS[0]
        )
        for subject in SUBJECTS
        for session in SESSIONS
    }


def files_below(output, *folders):
    """Return the bytes of the files below some folders of an output dataset."""
    return {name: content for name, content in results(output).items() if name.startswith(folders)}


def test_a_job_writes_the_files_of_a_run_over_all_participants(participant_jobs, direct):
    for subject, output in participant_jobs.items():
        assert files_below(output, "sub-") == files_below(direct, f"{subject}/")


def test_a_job_for_a_session_writes_the_files_of_a_run_over_all_sessions(session_jobs, direct):
    for (subject, session), output in session_jobs.items():
        assert files_below(output, "sub-") == files_below(direct, f"{subject}/{session}/")


@pytest.mark.parametrize("jobs", ["participant_jobs", "session_jobs"])
def test_the_group_of_the_merged_results_is_that_of_one_run(request, jobs, fmriprep, direct, tmp_path):
    outputs = [*request.getfixturevalue(jobs).values()]
    random.Random(0).shuffle(outputs)
    merged = merge_outputs(outputs, tmp_path / "deeptaskgen")
    # Jobs do not see this table, since its content is not fetched.
    for name in ("participants.tsv", "participants.json"):
        shutil.copyfile(fmriprep / name, merged / name)
    run(merged, merged, "group")
    assert comparable(merged) == comparable(direct)
    assert leftovers(merged) == []


@pytest.mark.parametrize("jobs", ["participant_jobs", "session_jobs"])
def test_the_order_of_merging_only_matters_for_the_logs(request, jobs, tmp_path):
    outputs = [*request.getfixturevalue(jobs).values()]
    forward = merge_outputs(outputs, tmp_path / "forward")
    backward = merge_outputs(reversed(outputs), tmp_path / "backward")
    assert results(forward) == results(backward)


def test_a_job_writes_to_its_output_folder_only(fmriprep, tmp_path):
    descriptor = edited_descriptor("participant")
    clone = make_clone(fmriprep, tmp_path / "clone", descriptor, "sub-02")

    def paths():
        return sorted(path for path in clone.rglob("*") if not path.is_relative_to(clone / OUTPUT))

    expected = paths()
    run(*app_words(descriptor, clone, "sub-02"))
    assert [path for path in paths() if path != clone / WORK] == [
        path for path in expected if path != clone / WORK
    ]


def test_jobs_for_sessions_may_share_an_output_dataset(fmriprep, session_jobs, tmp_path):
    descriptor = edited_descriptor("session")
    clone = make_clone(fmriprep, tmp_path / "clone", descriptor, "sub-01")
    for session in SESSIONS:
        filter_file = write_filter_file(clone, session)
        run(*app_words(descriptor, clone, "sub-01", session, filter_file=filter_file))
    outputs = [session_jobs["sub-01", session] for session in SESSIONS]
    merged = merge_outputs(outputs, tmp_path / "deeptaskgen")
    assert files_below(clone / OUTPUT, "sub-") == files_below(merged, "sub-")


def test_a_job_for_a_participant_without_content_fails_and_names_the_link(fmriprep, tmp_path):
    descriptor = edited_descriptor("participant", is_zipped=False)
    clone = make_clone(fmriprep, tmp_path / "clone", descriptor, "sub-02", others="dangling")
    ended = call(*app_words(descriptor, clone, "sub-01"))
    assert ended.code == 3
    assert "datalad get" in ended.out + ended.err
    assert not [*(clone / OUTPUT).glob("sub-*")]
    assert (clone / input_folder(descriptor) / "sub-01").is_dir()


def test_pages_of_merged_sessions_show_all_sessions_when_they_are_made_again(fmriprep, tmp_path):
    descriptor = edited_descriptor("session")
    descriptor["bids_app_args"]["--reports"] = "qc"
    outputs = []
    for session in SESSIONS:
        clone = make_clone(fmriprep, tmp_path / session, descriptor, "sub-01", session)
        run(*app_words(descriptor, clone, "sub-01", session))
        outputs.append(clone / OUTPUT)
    merged = merge_outputs(outputs, tmp_path / "deeptaskgen")
    page = merged / "sub-01.html"
    assert SESSIONS[0] not in page.read_text("utf-8")

    (tmp_path / "empty").mkdir()
    options = [word for pair in (EDITS | {"--reports": "qc"}).items() for word in pair]
    run(tmp_path / "empty", merged, "participant", "--model", "hcp-ya", *options, "--reports-only")
    assert all(session in page.read_text("utf-8") for session in SESSIONS)
