"""Laws of tables as features: rows are participants, and no value is missing or invented."""

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.tables import make_table_reader, open_roi_table, open_wide_table
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.tsv import write_tsv
from tests.biomarkers.features.stores import source_of
from tests.cohort_store.roi_tables import CONTRASTS, REGIONS, tidy_columns, write_roi_table

N = 20
LABELS = [f"{number:02d}" for number in range(1, N + 1)]


def draw(n_columns=4, seed=0):
    return np.random.default_rng(seed).normal(size=(N, n_columns)).round(4)


def write(path, values, labels=LABELS, **columns):
    cells = {f"x{number}": column.tolist() for number, column in enumerate(values.T)}
    write_tsv(path, {"participant_id": [f"sub-{label}" for label in labels], **columns, **cells})
    return source_of(path)


def make(values, columns=None, participants=LABELS):
    columns = [f"x{number}" for number in range(values.shape[1])] if columns is None else columns
    return make_table_reader(
        source_of("t.tsv"),
        participants,
        columns,
        values,
        reasons={"99": "no row"},
        notes=["note"],
        description="d",
    )


def test_rows_are_in_the_order_of_the_request(tmp_path):
    values = draw()
    reader = open_wide_table(write(tmp_path / "t.tsv", values), Selection())
    assert reader.participants == tuple(LABELS)
    features = reader.read(["05", "01"])
    np.testing.assert_allclose(features.values, values[[4, 0]].astype(np.float32))
    assert (features.participants, features.columns, features.n_features) == (
        ("05", "01"),
        ("x0", "x1", "x2", "x3"),
        4,
    )
    assert "table of 4 columns" in features.description


def test_the_order_of_rows_and_columns_of_a_table_does_not_matter(tmp_path):
    values, rng = draw(), np.random.default_rng(1)
    rows, columns = rng.permutation(N), rng.permutation(4)
    one = open_wide_table(write(tmp_path / "one.tsv", values), Selection())
    source = write(tmp_path / "two.tsv", values[np.ix_(rows, columns)], [LABELS[row] for row in rows])
    two = open_wide_table(source, Selection())
    assert one.participants == two.participants
    np.testing.assert_array_equal(two.values, one.values[:, columns])


def test_sessions_are_averaged_or_selected(tmp_path):
    values = draw()
    labels, sessions = [label for label in LABELS[:10] for _ in "12"], ["ses-1", "ses-2"] * 10
    source = write(tmp_path / "t.tsv", values, labels, session_id=sessions)
    reader = open_wide_table(source, Selection())
    np.testing.assert_allclose(reader.values, values.reshape(10, 2, 4).mean(axis=1), rtol=1e-5)
    assert "10 participants of 10 have several sessions" in reader.notes[0]
    second = open_wide_table(source, Selection(session="02"))
    np.testing.assert_allclose(second.values, values[1::2], rtol=1e-6)


def test_runs_are_averaged_before_sessions(tmp_path):
    values = np.array([[0.0], [2.0], [10.0]])
    source = write(
        tmp_path / "t.tsv", values, ["01"] * 3, session_id=["ses-1", "ses-1", "ses-2"], run=["1", "2", "1"]
    )
    assert open_wide_table(source, Selection()).values.tolist() == [[5.5]]


@pytest.mark.parametrize(
    "columns", [{}, {"session_id": ["1"] * N}, {"session_id": ["1"] * N, "run": ["1"] * N}]
)
def test_repeated_rows_that_differ_are_refused(tmp_path, columns):
    values, labels = draw(), [*LABELS[:-1], LABELS[5]]
    source = write(tmp_path / "t.tsv", values, labels, **columns)
    with pytest.raises(InputError, match=r"t.tsv: sub-06( ses-1)?( run-1)? has 2 rows with different values"):
        open_wide_table(source, Selection())
    assert len(open_wide_table(source, Selection(exclude=["06"])).participants) == N - 2


def test_repeated_rows_that_agree_count_once(tmp_path):
    values = draw()
    values[-1] = values[5]
    values[[5, -1], 2] = 0.5
    reader = open_wide_table(write(tmp_path / "t.tsv", values, [*LABELS[:-1], LABELS[5]]), Selection())
    assert reader.participants == tuple(LABELS[:-1])
    assert not reader.notes
    np.testing.assert_allclose(reader.read(["06"]).values[0], values[5], rtol=1e-6)


def test_a_value_of_another_session_replaces_a_missing_one(tmp_path):
    values = np.array([[np.nan, 1.0], [3.0, 2.0]])
    source = write(tmp_path / "t.tsv", values, ["01"] * 2, session_id=["ses-1", "ses-2"])
    assert open_wide_table(source, Selection()).values.tolist() == [[3.0, 1.5]]


def test_a_column_that_many_participants_lack_is_dropped_before_participants():
    values = draw()
    values[:3, 1], values[5, 2] = np.nan, np.nan
    reader = make(values)
    assert reader.columns == ("x0", "x2", "x3")
    assert reader.notes == ("note", "1 column of 4 dropped, which more than 10% of the participants lack: x1")
    assert reader.reasons == {"99": "no row", "06": "missing values in 1 of 3 columns"}
    assert reader.participants == tuple(label for label in LABELS if label != "06")
    np.testing.assert_array_equal(
        reader.values, np.delete(values, 5, axis=0)[:, [0, 2, 3]].astype(np.float32)
    )


def test_a_column_that_a_tenth_of_the_participants_lacks_stays():
    values = draw()
    values[:2, 1] = np.nan
    reader = make(values)
    assert len(reader.columns) == 4
    assert len(reader.participants) == 18


def test_a_table_without_values_or_participants_is_refused():
    with pytest.raises(InputError, match="more than 10% of the participants lack each of the 4 columns"):
        make(np.full((N, 4), np.nan))
    is_missing = np.eye(20) + np.eye(20, k=1) > 0
    words = (
        r"each of the 20 participants of t.tsv lacks a value in some of 20 columns \(median: 2\)(?s:.*)"
        "Remove columns that many lack, or impute the values"
    )
    with pytest.raises(InputError, match=words):
        make(np.where(is_missing, np.nan, 1))


def test_a_constant_column_is_harmless():
    values = draw()
    values[:, 2] = 7
    assert np.isfinite(make(values).values).all()


def test_large_numbers_keep_their_differences():
    values = np.array([[20140502.0 + day, 1e9 + day / 8, day] for day in range(N)])
    reader = make(values)
    np.testing.assert_allclose(np.diff(reader.values, axis=0), np.tile([1, 0.125, 1], (N - 1, 1)), rtol=1e-4)
    assert reader.values[3, 2] == 3


@pytest.mark.parametrize("targets", [["age", "x1"], ["x1"]])
def test_a_target_is_no_feature(tmp_path, targets):
    source = write(tmp_path / "t.tsv", draw())
    with pytest.raises(UserError, match="has the column x1, which is also a target or a confound"):
        open_wide_table(source, Selection(), targets)
    open_wide_table(source, Selection(), ["age"])


@pytest.mark.parametrize(
    ("target", "column"), [("Trait", "trait"), ("mean_fd", "fd_mean_mm"), ("site", "Site")]
)
def test_a_target_is_no_feature_in_another_case_or_under_its_short_name(tmp_path, target, column):
    source = write(tmp_path / "t.tsv", draw(), **{column: ["1"] * N})
    with pytest.raises(UserError, match=f"has the column {column}, which is also a target or a confound"):
        open_wide_table(source, Selection(), [target])


def test_a_table_of_other_software_holds_no_predicted_maps(tmp_path):
    assert not open_wide_table(write(tmp_path / "t.tsv", draw()), Selection()).is_predicted


def test_a_table_has_no_parts(tmp_path):
    write(tmp_path / "t.tsv", draw())
    with pytest.raises(UserError, match="it has no part wm2bk"):
        open_wide_table(source_of(tmp_path / "t.tsv", "wm2bk"), Selection())


def test_text_in_a_table_is_refused(tmp_path):
    source = write(tmp_path / "t.tsv", draw(), sex=["F", "M"] * 10)
    with pytest.raises(InputError, match='the column sex holds "F" in the row of sub-01: not a number'):
        open_wide_table(source, Selection())


def test_participants_are_selected_in_any_spelling(tmp_path):
    source = write(tmp_path / "t.tsv", draw(), [str(number) for number in range(1, N + 1)])
    reader = open_wide_table(source, Selection(participants=["01", "sub7", "003"], exclude=["03"]))
    assert reader.participants == ("1",)


@pytest.mark.parametrize("ending", ["tsv", "parquet"])
def test_an_roi_table_has_a_column_for_each_contrast_and_region(tmp_path, ending):
    values = {}

    def value(row, contrast, index):
        return values.setdefault((row[0], contrast, index), round(float(rng.normal()), 4))

    rng = np.random.default_rng(0)
    rows = [(f"sub-{label}", None, None) for label in LABELS]
    path = write_roi_table(tmp_path / f"a_desc-maps_rois.{ending}", tidy_columns(rows, value=value))
    reader = open_roi_table(source_of(path), Selection())
    assert reader.columns == tuple(
        f"{contrast}_{name}" for contrast in CONTRASTS for name in REGIONS.values()
    )
    expected = [values["sub-03", contrast, index] for contrast in CONTRASTS for index in REGIONS]
    np.testing.assert_allclose(reader.read(["03"]).values[0], expected, rtol=1e-5)
    assert reader.is_predicted, "the group level writes tables of predicted maps"
    part = open_roi_table(source_of(path, "motorLh"), Selection())
    np.testing.assert_array_equal(part.values, reader.values[:, len(REGIONS) :])
    with pytest.raises(UserError, match="has no contrast motorLf. The closest names are motorLh"):
        open_roi_table(source_of(path, "motorLf"), Selection())
