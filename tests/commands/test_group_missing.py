"""The group level accounts for every participant's folder of the output dataset."""

import shutil

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.io.tsv import read_tsv
from tests.commands.test_group import LABELS, output, read_map, run  # noqa: F401


def reasons(dataset):
    rows = read_tsv(output_path(dataset, "group_missing"))
    return {row["participant_id"]: row["reason"] for row in rows if row["session_id"] == "n/a"}


def test_folders_without_a_record_are_listed(output):  # noqa: F811
    for label in ("sub-03", "sub-99"):
        (output / label / "func").mkdir(parents=True)
    shutil.copytree(output / "sub-01", output / "sub-01_old")
    run(output)
    listed = reasons(output)
    assert listed["sub-03"].startswith(f"no record of finished maps (*_desc-qc_metrics.json) is in {output}")
    assert "re-run this participant" in listed["sub-99"]
    assert "not a BIDS label" in listed["sub-01_old"]
    assert listed.keys() == {"sub-03", "sub-04", "sub-99", "sub-01_old"}


def test_a_record_with_a_byte_order_mark_is_read(output):  # noqa: F811
    run(output)
    before = [read_map(output, "mean", label)[0].tobytes() for label in LABELS]
    for path in output.glob("sub-*/**/*_desc-qc_metrics.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert run(output, overwrite=True) == 0
    assert [read_map(output, "mean", label)[0].tobytes() for label in LABELS] == before


def test_other_tables_among_the_logs_are_ignored_with_a_warning(output, caplog):  # noqa: F811
    path = output / "logs" / "20990101T000000-x-1_participants.tsv"
    path.write_text("x\ty\n1\t2\n")
    run(output)
    assert f"{path}: is not a table of participants, and is ignored." in caplog.text
    assert reasons(output)["sub-04"] == "surprise"
