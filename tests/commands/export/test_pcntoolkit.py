"""The command that exports an ROI table for PCNtoolkit."""

from bids_deeptaskgen.cli.workbench import main
from bids_deeptaskgen.io.tsv import read_tsv, write_tsv
from tests.cohort_store.roi_tables import make_cohort


def test_the_command_writes_the_table_and_prints_the_lines_that_load_it(tmp_path, capsys):
    table, _ = make_cohort(tmp_path, 6, ending="tsv")
    out = tmp_path / "export" / "norm.csv"
    arguments = ["export", "pcntoolkit", str(table), str(out), "--batch-effects", "sex"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert f"{out}: 6 rows, 6 variables; left out: 0 rows, 0 variables" in printed
    assert out.with_name("norm_load.py").read_text("utf-8") in printed
    assert len(read_tsv(out.with_name("norm_variables.tsv"))) == 6
    assert main(arguments) == 2
    assert main([*arguments, "--overwrite"]) == 0


def test_a_participant_without_age_is_listed_and_logged(tmp_path, capsys):
    table, _ = make_cohort(tmp_path, 6)
    rows = read_tsv(tmp_path / "participants.tsv")[:5]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["age"][0] = "n/a"
    write_tsv(tmp_path / "participants.tsv", columns)
    assert main(["export", "pcntoolkit", str(table), str(tmp_path / "norm.csv")]) == 0
    assert read_tsv(tmp_path / "norm_excluded.tsv") == [
        {"participant_id": "sub-01", "session_id": "n/a", "reason": "no value of age"},
        {"participant_id": "sub-06", "session_id": "n/a", "reason": "no row in participants.tsv"},
    ]
    assert "2 rows left out for missing values: sub-01, sub-06" in capsys.readouterr().err


def test_nothing_is_written_for_a_column_that_does_not_exist(tmp_path, capsys):
    table, _ = make_cohort(tmp_path, 6)
    out = tmp_path / "export" / "norm.csv"
    assert main(["export", "pcntoolkit", str(table), str(out), "--batch-effects", "sexe"]) == 2
    message = capsys.readouterr().err
    assert "no column sexe. The closest names are sex" in message
    assert "--batch-effects" in message
    assert not out.parent.exists()


def test_a_table_that_does_not_exist_is_named_before_all_others(tmp_path, capsys):
    for path, problem in ((tmp_path / "none.tsv", "none.tsv: no such file"), (tmp_path, "is a folder")):
        assert main(["export", "pcntoolkit", str(path), str(tmp_path / "norm.csv")]) == 3
        assert problem in capsys.readouterr().err
