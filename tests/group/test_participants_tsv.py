"""Tables of participants, good and bad, are joined to the maps without a lost row."""

import json
import shutil

import numpy as np
import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.tsv import write_tsv
from tests.group.dataset import make_dataset
from tests.group.running import group_path, reasons, run, sidecar, state, table
from tests.inprocess import call

OPTIONS = ("--design", "age", "--covariates", "none", "--reports", "none")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Write twelve participants with one session and three-digit labels."""
    folder = tmp_path_factory.mktemp("template") / "out"
    make_dataset(folder, n=12, sessions=(None,), contrasts=("wm2bk",), has_connectomes=False)
    return folder


@pytest.fixture
def dataset(template, tmp_path):
    return shutil.copytree(template, tmp_path / "out")


def rename_participants(dataset):
    """Give the participants the labels 001, 002 and so on."""
    for folder in sorted(dataset.glob("sub-*")):
        label = f"{int(folder.name[4:]):03d}"
        for path in list(folder.rglob("*.*")):
            text = path.name.replace(folder.name, f"sub-{label}")
            if path.suffix == ".json":
                path.write_text(path.read_text().replace(folder.name, f"sub-{label}"))
            path.rename(path.with_name(text))
        folder.rename(dataset / f"sub-{label}")


def participants(dataset, **columns):
    write_tsv(dataset / "participants.tsv", columns)


def labels(n=12):
    return [f"sub-{number:02d}" for number in range(1, n + 1)]


def design_rows(dataset):
    return table(dataset, "group_design")


def centred(values):
    return pytest.approx(np.asarray(values) - np.mean(values), abs=1e-4)


def design_column(dataset, name="age"):
    return np.array([float(row[name]) for row in design_rows(dataset)])


def test_numbers_and_folders_are_joined_exactly_first_and_then_as_numbers(dataset):
    rename_participants(dataset)
    ids = ["1", "sub-2", "003", *(f"sub-{number:03d}" for number in range(4, 13))]
    participants(dataset, participant_id=ids, age=list(range(30, 42)))
    assert call(dataset, dataset, "group", *OPTIONS).code == 0
    rows = design_rows(dataset)
    assert [row["participant_id"] for row in rows] == [f"sub-{number:03d}" for number in range(1, 13)]
    assert design_column(dataset) == centred(range(30, 42))
    assert reasons(dataset) == {}


def test_numbers_that_may_be_two_participants_are_refused(dataset):
    rename_participants(dataset)
    ids = ["1", "01", *(f"sub-{number:03d}" for number in range(2, 13))]
    participants(dataset, participant_id=ids, age=list(range(30, 43)))
    ended = call(dataset, dataset, "group", *OPTIONS)
    assert ended.code == 3
    assert "sub-001 may be 1 or 01" in ended.sentence
    assert not (dataset / "group").exists()


def test_an_exact_label_comes_before_equal_numbers(dataset):
    rename_participants(dataset)
    # "1" is another participant, who has no folder.
    ids = ["1", *(f"sub-{number:03d}" for number in range(1, 13))]
    participants(dataset, participant_id=ids, age=[99, *range(30, 42)])
    assert call(dataset, dataset, "group", *OPTIONS).code == 0
    assert design_column(dataset) == centred(range(30, 42))
    assert reasons(dataset) == {("sub-1", "n/a"): "never processed"}


def test_participants_without_a_row_or_a_value_are_excluded_by_name(dataset):
    ages = [*range(30, 38), "n/a", "NaN", ""]
    participants(dataset, participant_id=labels(11), age=ages)
    ended = call(dataset, dataset, "group", *OPTIONS)
    assert ended.code == 0
    assert "they lack its columns in the tables: sub-12" in ended.err
    assert [row["participant_id"] for row in design_rows(dataset)] == labels(8)
    facts = sidecar(dataset, "t", kind="group_effect_statmap", effect="age")["DeepTaskGen"]
    assert facts["NumberOfParticipants"] == 8
    # They are in the means.
    assert sidecar(dataset, "mean")["DeepTaskGen"]["NumberOfParticipants"] == 12
    assert len(table(dataset, "group_metrics")) == 12


def test_unknown_participants_of_the_table_are_listed_as_missing(dataset):
    participants(dataset, participant_id=[*labels(12), "sub-77"], age=[*range(30, 42), 50])
    assert call(dataset, dataset, "group", *OPTIONS).code == 0
    assert reasons(dataset) == {("sub-77", "n/a"): "never processed"}
    assert len(design_rows(dataset)) == 12


def test_rows_per_session_give_each_session_its_values(output):
    names = [name for label in labels(6) for name in (label, label)]
    participants(
        output,
        participant_id=names,
        session_id=["ses-1", "ses-2"] * 6,
        age=list(range(20, 32)),
        sex=["F", "F", "M", "M"] * 3,
    )
    assert run(output) == 0
    rows = table(output, "group_metrics")
    assert [int(row["age"]) for row in rows] == list(range(20, 32))


def test_duplicated_rows_count_once_and_contradictions_are_missing_values(dataset, caplog):
    names, ages = labels(12), list(range(30, 42))
    participants(dataset, participant_id=[*names, names[0], names[1]], age=[*ages, 30, 77])
    assert run(dataset, design="age", covariates=("none",)) == 0
    rows = {row["participant_id"]: row["age"] for row in table(dataset, "group_metrics")}
    assert (rows["sub-01"], rows["sub-02"]) == ("30", "n/a")
    assert "the rows of sub-02 differ in age; n/a is used" in caplog.text
    assert [row["participant_id"] for row in design_rows(dataset)] == [names[0], *names[2:]]


def test_a_column_with_the_name_of_a_metric_does_not_replace_it(dataset):
    participants(
        dataset, participant_id=labels(12), age=range(12), fd_mean_mm=[9] * 12, minutes_kept=[1] * 12
    )
    assert run(dataset, design="age") == 0
    rows = table(dataset, "group_metrics")
    assert all(float(row["fd_mean_mm"]) < 1 and row["participants_fd_mean_mm"] == "9" for row in rows)
    # The covariate is the measured FD.
    values = [float(row["fd_mean_mm"]) for row in rows]
    assert design_column(dataset, "mean_fd") == centred(values)


@pytest.mark.parametrize("name", ["session_id", "run", "verdict", "cohort_typicality"])
def test_columns_with_names_of_the_table_are_kept_apart(dataset, name):
    participants(dataset, **{"participant_id": labels(12), name: [f"x{number}" for number in range(12)]})
    assert run(dataset) == 0
    rows = table(dataset, "group_metrics")
    assert [row["participant_id"] for row in rows] == labels(12)
    assert [row[f"participants_{name}"] for row in rows] == [f"x{number}" for number in range(12)]


def test_an_absent_column_of_the_design_is_refused(dataset):
    run(dataset)
    before = state(dataset)
    ended = call(dataset, dataset, "group", "--design", "agee", "--reports", "none")
    assert ended.code == 2
    assert "agee" in ended.sentence
    assert "age" in ended.sentence.replace("agee", "")
    assert "--design" in ended.sentence
    assert "does not exist" not in ended.sentence
    assert state(dataset) == before
    assert not (dataset / "work").exists()


def test_a_design_without_a_table_names_the_columns_that_exist_and_the_absent_table(dataset):
    path = dataset / "participants.tsv"
    path.unlink()
    with pytest.raises(UserError, match="fd_mean_mm|mean_fd") as caught:
        run(dataset, design="age")
    assert f"{path} does not exist" in str(caught.value)
    assert "--participants-tsv" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("participant_id\tage\nsub-01\t3é\n".encode("latin-1"), "is not UTF-8 text"),
        ("participant_id\tage\nsub-01\t30\n".encode("utf-16"), "participants.tsv"),
        (b"", "is empty"),
        (b"participant_id,age\nsub-01,30\n", "is not tab-separated"),
        (b"age\tsex\n30\tF\n", "has no column participant_id"),
        (b"participant_id\tage\nsub-01\t30\t1\nsub-02\t30\n", "line"),
        (b"participant_id\tage\tage\nsub-01\t30\t1\n", "several columns have the same name"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(dataset, content, words):
    (dataset / "participants.tsv").write_bytes(content)
    ended = call(dataset, dataset, "group", *OPTIONS)
    assert ended.code == 3
    assert words in ended.sentence
    assert str(dataset / "participants.tsv") in ended.sentence
    assert not (dataset / "group").exists()


def test_a_table_with_a_byte_order_mark_and_line_ends_of_windows_is_read(dataset):
    path = dataset / "participants.tsv"
    text = path.read_text("utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert run(dataset, design="age", covariates=("none",)) == 0
    assert len(design_rows(dataset)) == 12


def test_a_dropped_table_is_named(dataset):
    path = dataset / "participants.tsv"
    path.unlink()
    path.symlink_to(".git/annex/objects/Xx/Yy/MD5E-s9--0.tsv/MD5E-s9--0.tsv")
    ended = call(dataset, dataset, "group", *OPTIONS)
    assert ended.code == 3
    assert "datalad get" in ended.sentence


def test_categories_of_the_json_are_coded_as_categories(dataset):
    participants(dataset, participant_id=labels(12), arm=[1, 2, 3] * 4)
    (dataset / "participants.json").write_text(
        json.dumps({"arm": {"Levels": {"1": "a", "2": "b", "3": "c"}}})
    )
    assert run(dataset, design="arm", covariates=("none",)) == 0
    assert len([name for name in design_rows(dataset)[0] if "arm" in name]) == 2


@pytest.mark.parametrize("value", [float("nan"), None, [], "", [None, 0.2], "0.2"])
def test_quality_values_that_are_no_numbers_are_missing(dataset, value):
    for path in list(dataset.glob("sub-0[1-3]/func/*_desc-qc_metrics.json")):
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"fd_mean_mm": value}))
    ended = call(dataset, dataset, "group", "--design", "age", "--covariates", "mean_fd", "--reports", "none")
    assert ended.code == 0, ended
    rows = design_rows(dataset)
    assert [row["participant_id"] for row in rows] == labels(12)[3:]


def test_an_unknown_participant_label_is_refused(dataset):
    ended = call(dataset, dataset, "group", "--participant-label", "99", "--reports", "none")
    assert ended.code == 3
    assert "99" in ended.sentence
    assert not group_path(dataset, "group_missing").parent.exists()
