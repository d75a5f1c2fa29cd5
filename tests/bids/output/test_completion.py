import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import collect_sessions
from bids_deeptaskgen.bids.output.completion import finished, input_fingerprint, write_completion
from bids_deeptaskgen.bids.output.paths import output_layout, output_path, sidecar_path
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.tsv import write_tsv
from tests.bids.trees import describe, image, run, touch
from tests.strategies import labels, series

REST = (("task", "rest"),)
OUT = Path("out")


def test_output_paths_are_as_documented():
    assert output_path(OUT, "statmap", subject="01", entities=REST, contrast="motorLf") == OUT / (
        "sub-01/func/sub-01_task-rest_space-MNI152NLin6Asym_res-2_contrast-motorLf_stat-z_desc-predicted"
        "_statmap.nii.gz"
    )
    entities = (*REST, ("run", "1"), ("acq", "fast"))
    assert output_path(OUT, "qc_metrics", subject="01", session="a", entities=entities) == OUT / (
        "sub-01/ses-a/func/sub-01_ses-a_task-rest_acq-fast_run-1_desc-qc_metrics.json"
    )
    assert output_path(OUT, "group_statmap", entities=REST, contrast="motorLf", stat="mean") == OUT / (
        "group/task-rest_space-MNI152NLin6Asym_res-2_contrast-motorLf_stat-mean_desc-predicted_statmap.nii.gz"
    )


def test_sidecar_has_the_name_of_its_image():
    path = output_path(OUT, "window_sd", subject="01", entities=REST, contrast="motorLf")
    sidecar = output_path(OUT, "window_sd_sidecar", subject="01", entities=REST, contrast="motorLf")
    assert sidecar == sidecar_path(path)
    assert sidecar.name == path.name.replace(".nii.gz", ".json")


def test_undefined_kinds_and_missing_labels_are_refused():
    with pytest.raises(KeyError):
        output_path(OUT, "picture", subject="01")
    with pytest.raises(KeyError):
        output_path(OUT, "statmap", subject="01", entities=REST)


@given(
    subject=labels(),
    session=st.none() | labels(),
    entities=series(),
    kind=st.sampled_from(["statmap", "window_sd"]),
)
def test_output_path_contains_all_arguments(subject, session, entities, kind):
    path = output_path(OUT, kind, subject=subject, session=session, entities=entities, contrast="c")
    entity_values = dict(parse_name(path.name).entities)
    assert entity_values.pop("sub") == subject
    assert entity_values.pop("ses", None) == session
    assert {key: entity_values[key] for key, _ in entities} == dict(entities)
    assert set(entity_values) - {key for key, _ in entities} == {"space", "res", "contrast", "stat", "desc"}
    order = load_table("outputs.json")["entity_order"]
    keys = [key for key, _ in parse_name(path.name).entities]
    assert keys == sorted(keys, key=order.index)


def test_kinds_have_unique_paths_and_described_descs():
    table = load_table("outputs.json")
    labels = {"contrast": "c", "stat": "mean", "seg": "s", "effect": "e", "label": "l"}
    names = {output_path(OUT, kind, subject="01", entities=REST, **labels) for kind in table["patterns"]}
    assert len(names) == len(table["patterns"])
    # The sidecars of these are described in group_tables.json, effect_stats and group_stats.
    of_group = {*load_table("group_tables.json"), "group_qcfc_statmap", "group_effect_statmap"}
    kinds = {kind for kind, pattern in table["patterns"].items() if "_desc-" in pattern}
    assert set(table["desc"]) == kinds - of_group
    for kind, desc in table["desc"].items():
        assert f"_desc-{desc}_" in table["patterns"][kind]
        assert desc in table["descriptions"]


def test_tables_write_missing_values_as_not_available(tmp_path):
    columns = {"id": ["a", "b\tc"], "fd": [None, float("nan")], "r": [1 / 3, 2.0], "n": [1, 200000000]}
    write_tsv(tmp_path / "t.tsv", columns)
    assert (tmp_path / "t.tsv").read_text() == "id\tfd\tr\tn\na\tn/a\t0.333333\t1\nb c\tn/a\t2\t200000000\n"
    with pytest.raises(ValueError, match="shorter"):
        write_tsv(tmp_path / "t.tsv", {"a": [1, 2], "b": [1]})


@pytest.fixture
def session(tmp_path):
    run(tmp_path / "in", "01", "task-rest_run-1")
    run(tmp_path / "in", "01", "task-rest_run-2")
    (session,) = collect_sessions(tmp_path / "in", "01", Query())
    return session


def test_fingerprint_does_not_depend_on_the_folder(tmp_path, session):
    fingerprint = input_fingerprint(session)
    (tmp_path / "in").rename(tmp_path / "moved")
    (moved_session,) = collect_sessions(tmp_path / "moved", "01", Query())
    assert input_fingerprint(moved_session) == fingerprint


@pytest.mark.parametrize("kind", ["bold", "mask", "confounds"])
def test_fingerprint_changes_with_size_and_time_of_each_file(session, kind):
    path = getattr(session.runs[1], kind)
    fingerprints = {input_fingerprint(session)}
    times = path.stat()
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    fingerprints.add(input_fingerprint(session))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    fingerprints.add(input_fingerprint(session))
    assert len(fingerprints) == 3


def test_fingerprint_changes_with_repetition_time_and_runs(session):
    first, second = session.runs
    variants = [
        (first,),
        (second,),
        (first, replace(second, t_r=2.5)),
        (first, replace(second, confounds=None)),
    ]
    fingerprints = {input_fingerprint(replace(session, runs=runs)) for runs in [session.runs, *variants]}
    assert len(fingerprints) == 5


def completed(out, session, **changes):
    files = [touch(out / "sub-01" / "func" / name, "x") for name in ("b.nii.gz", "a.nii.gz")]
    values = {"files": files, "settings_hash": "s", "fingerprint": "f"}
    return write_completion(out, session, {"n_volumes": 10}, **(values | changes))


def test_session_is_finished_if_its_record_and_all_files_exist(tmp_path, session):
    assert not finished(tmp_path, session, "s", "f")
    path = completed(tmp_path, session)
    assert path == output_path(tmp_path, "qc_metrics", subject="01", entities=REST)
    assert finished(tmp_path, session, "s", "f")
    (tmp_path / "sub-01" / "func" / "a.nii.gz").unlink()
    assert not finished(tmp_path, session, "s", "f")


def test_session_is_not_finished_for_other_settings_input_or_entities(tmp_path, session):
    completed(tmp_path, session)
    assert not finished(tmp_path, session, "S", "f")
    assert not finished(tmp_path, session, "s", "F")
    assert not finished(tmp_path, replace(session, session="a"), "s", "f")
    assert not finished(tmp_path, replace(session, entities=(*REST, ("acq", "x"))), "s", "f")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"DeepTaskGen": {}}', '{"DeepTaskGen": null}'])
def test_invalid_record_is_not_finished(tmp_path, session, content):
    completed(tmp_path, session).write_text(content)
    assert not finished(tmp_path, session, "s", "f")


def test_record_does_not_depend_on_folder_and_order(tmp_path, session):
    first_path = completed(tmp_path / "one", session)
    files = [tmp_path / "two" / "sub-01" / "func" / name for name in ("a.nii.gz", "b.nii.gz")]
    second_path = completed(tmp_path / "two", session, files=files)
    assert first_path.read_bytes() == second_path.read_bytes()


def test_pybids_finds_maps_by_contrast_and_stat(tmp_path):
    describe(tmp_path)
    expected_paths = {}
    for subject in ("01", "02"):
        for contrast in ("emotionFacesMinusShapes", "emotionFaces"):
            path = output_path(tmp_path, "statmap", subject=subject, entities=REST, contrast=contrast)
            expected_paths[subject, contrast] = image(path)
            touch(sidecar_path(path), '{"SkullStripped": true}')
        image(output_path(tmp_path, "window_sd", subject=subject, entities=REST, contrast="emotionFaces"))
    touch(tmp_path / "work" / expected_paths["01", "emotionFaces"].name)
    layout = output_layout(tmp_path)
    items = layout.get(contrast="emotionFacesMinusShapes", stat="z", extension=".nii.gz")
    assert [item.path for item in items] == [
        str(expected_paths[subject, "emotionFacesMinusShapes"]) for subject in ("01", "02")
    ]
    assert layout.get_contrasts() == ["emotionFaces", "emotionFacesMinusShapes"]
    assert sorted(layout.get_stats()) == ["sd", "z"]
    faces_items = layout.get(subject="02", contrast="emotionFaces", extension=".nii.gz", desc="predicted")
    assert [item.path for item in faces_items] == [str(expected_paths["02", "emotionFaces"])]
    assert faces_items[0].get_metadata() == {"SkullStripped": True}
