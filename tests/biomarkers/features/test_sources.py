"""Laws of the sources of features: each is recognised, and one that fits no reader is refused."""

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features import sources
from bids_deeptaskgen.biomarkers.features.measured_maps import MeasuredMaps
from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.sources import find_participants_table, kind_of, open_features
from bids_deeptaskgen.biomarkers.features.store_maps import StoreMaps
from bids_deeptaskgen.biomarkers.features.tables import TableReader
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.settings.flags import with_flags
from tests.biomarkers.features.stores import (
    N_PARTICIPANTS,
    draw_connectomes,
    draw_maps,
    make_rows,
    source_of,
    write_store,
)
from tests.biomarkers.features.test_measured_maps import write_map
from tests.cohort_store.roi_tables import make_cohort


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("cohort") / "store"
    rows = make_rows(sessions=("ses-1", "ses-2"))
    return write_store(path, rows, draw_maps(len(rows)), draw_connectomes(len(rows)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("measured")
    for label in ("01", "02", "03"):
        write_map(root, label, "wm2bk", np.random.default_rng(int(label)).normal(size=24))
    write_tsv(root / "participants.tsv", {"participant_id": ["sub-01", "sub-02"], "age": [30, 40]})
    return root


def open_source(source, tmp_path, **selection):
    return open_features(source, Selection(**selection), tmp_path)


def test_a_store_has_maps_and_connectomes(store, tmp_path):
    assert kind_of(source_of(store)) == "store"
    maps = open_source(source_of(store, "wm2bk"), tmp_path)
    connectomes = open_source(source_of(store, "connectome"), tmp_path)
    assert isinstance(maps, StoreMaps)
    assert isinstance(connectomes, TableReader)
    assert maps.participants == connectomes.participants
    assert maps.columns == ()
    assert len(connectomes.columns) == 3


def test_a_connectome_and_contrasts_are_sources_of_their_own(store, dataset, tmp_path):
    with pytest.raises(UserError, match="Give the connectome a NAME of its own"):
        open_source(source_of(store, "connectome", "wm2bk"), tmp_path)
    with pytest.raises(UserError, match="needs a cohort store, .* is a dataset. .*deeptaskgen store pack"):
        open_source(source_of(dataset, "connectome"), tmp_path)


def test_maps_are_found_in_a_dataset_and_in_a_table_of_paths(dataset, tmp_path):
    reader = open_source(source_of(dataset), tmp_path)
    assert isinstance(reader, MeasuredMaps)
    assert reader.participants == ("01", "02", "03")
    assert reader.read(reader.participants).n_features < reader.maps.shape[2]
    paths = {label: next((dataset / f"sub-{label}").rglob("*.nii.gz")) for label in ("01", "03")}
    table = {"participant_id": [*paths], "contrast": ["wm2bk"] * 2, "path": [*paths.values()]}
    write_tsv(tmp_path / "maps.tsv", table)
    assert kind_of(source_of(tmp_path / "maps.tsv")) == "table of paths"
    assert open_source(source_of(tmp_path / "maps.tsv"), tmp_path).participants == ("01", "03")


@pytest.mark.parametrize("ending", ["tsv", "parquet"])
def test_an_roi_table_is_distinguished_from_a_wide_one(tmp_path, ending):
    path, _ = make_cohort(tmp_path, ending=ending)
    assert kind_of(source_of(path)) == "ROI table"
    assert len(open_source(source_of(path), tmp_path).columns) == 6
    write_tsv(tmp_path / "idps.tsv", {"participant_id": ["1", "2"], "index": [1, 2], "mean": [1, 2]})
    assert kind_of(source_of(tmp_path / "idps.tsv")) == "table"
    assert open_source(source_of(tmp_path / "idps.tsv"), tmp_path).columns == ("index", "mean")


def test_an_roi_table_as_csv_is_refused(tmp_path):
    path, _ = make_cohort(tmp_path, ending="tsv")
    table = tmp_path / "rois.csv"
    table.write_text(path.read_text().replace("\t", ","))
    with pytest.raises(UserError, match=r"rois.csv is an ROI table.*\n.*save this one as TSV or Parquet"):
        open_source(source_of(table), tmp_path)


@pytest.mark.parametrize(("content", "words"), [("", "the file is empty"), ("\n1\t2\n", "its first line")])
def test_a_table_without_names_is_empty(tmp_path, content, words):
    (tmp_path / "idps.tsv").write_text(content)
    with pytest.raises(InputError, match=rf"idps.tsv: {words}(?s:.*)Save the table"):
        open_source(source_of(tmp_path / "idps.tsv"), tmp_path)


def test_several_tasks_are_no_matter_of_an_option_alone(tmp_path):
    path = write_map(tmp_path, "01", "wm2bk", np.ones(24))
    for task in ("rest", "nback"):
        path.with_name(path.name.replace("_space", f"_task-{task}_space")).write_bytes(path.read_bytes())
    path.unlink()
    with pytest.raises(InputError, match="`task_id`, if the command has this option, or name a table"):
        open_source(source_of(tmp_path), tmp_path)


def test_a_further_kind_of_sources_is_one_entry(tmp_path, monkeypatch):
    reader, rows = object(), object()
    kind = sources.SourceKind(
        "surface", lambda path, _: (path / "surface").is_dir(), lambda *_: reader, lambda _: rows
    )
    monkeypatch.setattr(sources, "KINDS", (kind, *sources.KINDS))
    (tmp_path / "surface").mkdir()
    assert kind_of(source_of(tmp_path)) == "surface"
    assert open_source(source_of(tmp_path), tmp_path) is reader
    assert find_participants_table(source_of(tmp_path)) is rows
    with pytest.raises(UserError, match="needs a cohort store, .* is a surface"):
        open_source(source_of(tmp_path, "connectome"), tmp_path)


def test_targets_are_no_features(tmp_path):
    write_tsv(tmp_path / "idps.tsv", {"participant_id": ["1", "2"], "age": [1, 2]})
    with pytest.raises(UserError, match="age, which is also a target"):
        open_features(source_of(tmp_path / "idps.tsv"), Selection(), tmp_path, ["age"])


def test_other_paths_are_refused_by_the_name_of_the_option(tmp_path):
    (tmp_path / "maps.nii.gz").touch()
    for name, words in {
        "nowhere": "no such file or folder",
        "maps.nii.gz": "neither a folder nor a table",
    }.items():
        with pytest.raises(UserError, match=words) as caught:
            open_source(source_of(tmp_path / name), tmp_path)
        assert with_flags(str(caught.value)).startswith("--features mine: ")


def test_the_participants_of_a_store_have_columns_and_quality_metrics(store):
    table = find_participants_table(source_of(store))
    assert set(table.columns) == {"session_id", "run", "age", "fd_mean_mm"}
    rows = table.match(["1", "07"])
    assert [row["session_id"] for row in rows["1"]] == ["ses-1", "ses-2"]
    assert {row["age"] for row in rows["07"]} == {str(20 + N_PARTICIPANTS - 1)}
    assert rows["07"][0]["fd_mean_mm"] == "0.1"
    assert {row["run"] for row in rows["07"]} == {"n/a"}


def test_the_participants_of_a_dataset_and_of_an_roi_table_are_in_participants_tsv(dataset, tmp_path):
    assert find_participants_table(source_of(dataset)).rows == {"01": [{"age": "30"}], "02": [{"age": "40"}]}
    path, age = make_cohort(tmp_path)
    table = find_participants_table(source_of(path))
    assert float(table.rows["02"][0]["age"]) == pytest.approx(age[1])
    assert find_participants_table(source_of(path.parent)) is None
    write_tsv(tmp_path / "idps.tsv", {"participant_id": ["1", "2"], "x": [1, 2]})
    assert find_participants_table(source_of(tmp_path / "idps.tsv")) is None
