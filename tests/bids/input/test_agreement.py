"""Preflight, by names alone, and the sessions that are collected agree."""

import shutil

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_deeptaskgen.bids.input.preflight import preflight
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault, collect_sessions
from tests.bids.trees import BOLD, CONFOUNDS, MASK, touch

ENTITIES = st.sampled_from(
    [
        "",
        "run-1_",
        "run-01_",
        "run-2_",
        "dir-AP_",
        "dir-AP_run-1_",
        "acq-1_",
        "acq-01_run-2_",
        "hash-a_run-1_",
    ]
)
KINDS = st.sampled_from(
    [
        BOLD,
        MASK,
        CONFOUNDS,
        BOLD.replace("preproc", "denoised"),
        BOLD.removesuffix(".gz"),
        MASK.replace("_res-2", ""),
        MASK.replace("MNI152NLin6Asym", "MNI152NLin2009cAsym"),
        "desc-confounds_regressors.tsv",
        "desc-aroma_timeseries.tsv",
        "outliers.tsv",
        "motion.tsv",
        "echo-1_desc-preproc_bold.nii.gz",
    ]
)
FILES = st.tuples(
    st.sampled_from(["", "ses-a_", "ses-b_"]),
    st.sampled_from(["rest", "rest", "nback"]),
    ENTITIES,
    KINDS,
)
# Files whose choice depends on headers or content, not on names.
QUERIES = st.builds(
    Query,
    desc=st.sampled_from(["preproc", "denoised"]),
    runs=st.sampled_from([(), ("1",), ("2",)]),
    sessions=st.sampled_from([(), ("a",)]),
    filters=st.sampled_from([(), (("ses", ("a", None)),), (("acq", ("1",)),), (("dir", (None,)),)]),
    combine_runs=st.booleans(),
    needs_confounds=st.booleans(),
)


def names_of(files, folder):
    """Write empty files of a participant, some under the name of another one."""
    for session, task, entities, kind in files:
        session_folder = folder / session.rstrip("_") if session else folder
        touch(session_folder / "func" / f"sub-01_{session}task-{task}_{entities}{kind}")


def needs_header(row_names):
    """Return whether a row's choice of mask or resolution depends on headers."""
    return any("_res-" not in name for name in row_names)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(FILES, max_size=14, unique=True),
    extra=st.lists(FILES, max_size=6, unique=True),
    query=QUERIES,
)
def test_preflight_calls_a_session_usable_if_and_only_if_inputs_are_collected(tmp_path, files, extra, query):
    root, fmriprep = tmp_path / "data", tmp_path / "fmriprep"
    for folder in (root, fmriprep):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "sub-01").mkdir(parents=True)
    # A mask of another resolution is compared by its header, which these files lack.
    names_of([file for file in files if file[3] != MASK.replace("_res-2", "")], root / "sub-01")
    names_of([file for file in extra if file[3] != MASK.replace("_res-2", "")], fmriprep / "sub-01")
    extra_roots = {"fmriprep": fmriprep}
    rows = preflight(root, query, extra_roots)
    records = collect_sessions(root, "01", query, extra_roots=extra_roots, combine_runs=query.combine_runs)
    usable_rows = {row.session: row for row in rows if not row.reason}
    inputs = [record for record in records if not isinstance(record, SessionFault)]
    assert set(usable_rows) == {record.session for record in inputs}
    for session, row in usable_rows.items():
        of_session = [record for record in inputs if record.session == session]
        assert row.series(combine_runs=query.combine_runs) == {record.entities for record in of_session}
        assert sorted(row.bold_names) == sorted(run.bold.name for record in of_session for run in record.runs)
    reasons = {row.reason for row in rows if row.reason}
    for record in records:
        if isinstance(record, SessionFault):
            reason = "; ".join(line.strip().rstrip(".") for line in str(record.error).splitlines())
            assert reason in reasons
