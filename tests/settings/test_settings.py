"""Laws of the settings: what exists is valid, and the hash is about the maps alone."""

import dataclasses
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import science_settings, settings_hash
from bids_deeptaskgen.settings.bids_filter_file import FilterFile
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.models import ModelsImportSettings
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import DemoSettings, SimulateSettings
from tests.settings.settings_values import (
    CLASSES,
    REQUIRED,
    labels,
    settings_of_any_class,
    values_of,
)

WEIGHTS = "0" * 64
FILTER = FilterFile(Path("/filter.json"), (("acq", (None, "mb")),), ())

# What is in the maps depends on these, and on the weights and the images.
SCIENCE = {
    "run_id": ("1",),
    "desc": "denoised",
    "n_windows": 4,
    "calibrated": True,
    "nuisance_regressors": "none",
    "custom_confounds": "breathing",
    "smoothing": 4.0,
    "allow_template_warp": True,
    "bids_filter_file": FILTER,
    "high_pass": 0.01,
    "fd_threshold": 0.5,
    "dummy_scans": 3,
    "min_minutes": 1.0,
    "min_dof": 30,
    "combine_runs": False,
    "input_mask": "gm",
    "precision": "bf16",
}
NO_SCIENCE = {
    "verbose": 2,
    "bids_dir": "/elsewhere",
    "output_dir": "/other",
    "participant_label": ("01",),
    "session_label": ("1",),
    "exclude_participant_label": ("02",),
    "task_id": ("eyesopen", "movie"),
    # The labels of files and sidecars contain the combined tasks.
    "combine_tasks": True,
    "derivatives": (("fmriprep", Path("/derivatives")),),
    "input_type": "hcp",
    "participants_tsv": "/participants.tsv",
    "contrasts": ("WM",),
    "map_format": "4d",
    "min_coverage": 0.3,
    "max_mask_offset": 0.0,
    "model": "/models/mine",
    "work_dir": "/scratch",
    "dry_run": True,
    "nprocs": 3,
    "omp_nthreads": 2,
    "mem": 8.0,
    "device": "cuda:1",
    "use_plugin": "/plugin.yml",
    "stop_on_first_crash": True,
    "overwrite": True,
    "save_connectome": True,
    "reports": "qc",
    "reports_only": True,
    "n_bootstrap": 20,
    "random_seed": 3,
    "chunk_size": 5,
}


def participant(**more):
    return ParticipantSettings("/data", "/out", **more)


def refusal(settings_class=ParticipantSettings, **more):
    """Return the error message for settings."""
    with pytest.raises(UserError) as caught:
        settings_class(**{**REQUIRED[settings_class], **more})
    assert caught.value.exit_code == 2
    sentence = str(caught.value)
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("settings_class", CLASSES)
def test_every_option_says_what_it_is_for_and_what_its_default_means(settings_class):
    for spec in option_specs(settings_class):
        assert spec.option.help, spec.name
        assert "\n" not in spec.option.help
        if spec.default is None or spec.default == ():
            assert spec.option.default_meaning, spec.name
        if spec.option.positional:
            assert spec.is_required or spec.is_optional


@pytest.mark.parametrize("settings_class", CLASSES)
def test_an_option_whose_text_has_a_form_says_which(settings_class):
    for spec in option_specs(settings_class):
        if spec.kind is str and spec.option.parse:
            assert spec.option.expected, f"{spec.flag} would be described as any text"


def test_a_contrast_and_a_covariate_of_a_group_can_have_any_name():
    settings = GroupSettings(
        "/data", "/out", contrasts=("FACES - SHAPES",), covariates=("Volume (ml)", "kg:m")
    )
    assert settings.contrasts == ("FACES - SHAPES",)
    assert settings.covariates == ("Volume (ml)", "kg:m")


@pytest.mark.parametrize("settings_class", CLASSES)
def test_defaults_are_legal_and_stay_as_they_are_declared(settings_class):
    settings = settings_class(**REQUIRED[settings_class])
    for spec in option_specs(settings_class):
        if spec.name not in REQUIRED[settings_class]:
            value = getattr(settings, spec.name)
            assert value == spec.default
            assert type(value) is type(spec.default)


@given(settings_of_any_class())
def test_legal_values_are_kept_and_settings_made_of_settings_are_the_same(settings):
    same = dataclasses.replace(settings)
    assert same == settings
    assert repr(same) == repr(settings)


@given(st.data(), st.sampled_from(CLASSES))
def test_the_text_of_a_value_is_read_as_that_value(data, settings_class):
    spec = data.draw(
        st.sampled_from([spec for spec in option_specs(settings_class) if spec.kind is not bool])
    )
    value = data.draw(values_of(spec).filter(lambda value: value is not None))
    text = [spec.format(item) for item in value] if spec.is_tuple else spec.format(value)
    assert spec.convert(text) == value


def test_settings_can_not_be_changed_and_can_be_sent_to_another_process():
    settings = participant(mem="4G", derivatives=["fmriprep=/x"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.model = "other"
    assert pickle.loads(pickle.dumps(settings)) == settings


@given(labels)
def test_labels_mean_the_same_with_and_without_their_prefix(label):
    bare = participant(
        participant_label=[label], session_label=[label], run_id=[label], task_id=[label], desc=label
    )
    prefixed = participant(
        participant_label=[f"sub-{label}"],
        session_label=[f"ses-{label}"],
        run_id=[f"run-{label}"],
        task_id=[f"task-{label}"],
        desc=f"desc-{label}",
    )
    assert bare == prefixed
    assert bare.participant_label == (label,)
    assert GroupSettings("/data", "/out", [f"sub-{label}"]).participant_label == (label,)


def test_duplicate_labels_are_removed_in_order():
    assert participant(participant_label=["sub-10", "2", "10", "sub-2", "1"]).participant_label == (
        "10",
        "2",
        "1",
    )


def test_labels_are_taken_from_a_file(tmp_path):
    path = tmp_path / "failed.txt"
    path.write_text("# failed\nsub-03\n\n 01 \r\nsub-03\n")
    assert participant(participant_label=f"@{path}").participant_label == ("03", "01")
    assert participant(participant_label=["05", f"@{path}", "01"]).participant_label == ("05", "03", "01")
    path.write_text("sub-03\r\n", "utf-8-sig")
    assert participant(participant_label=f"@{path}").participant_label == ("03",)


def test_a_missing_or_empty_file_of_labels_is_refused(tmp_path):
    assert "cannot be read" in refusal(participant_label=[f"@{tmp_path / 'none.txt'}"])
    (tmp_path / "empty.txt").write_text("# no participant failed\n")
    assert "contains no label" in refusal(participant_label=[f"@{tmp_path / 'empty.txt'}"])
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refusal(participant_label=[f"@{tmp_path / 'bytes.txt'}"])


def test_paths_are_made_absolute_so_that_other_working_folders_do_not_matter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/user")
    settings = ParticipantSettings("raw", Path("out"), work_dir="~/work", derivatives=["a=deriv=1"])
    assert settings.bids_dir == tmp_path / "raw"
    assert settings.output_dir == tmp_path / "out"
    assert settings.work_dir == Path("/home/user/work")
    assert settings.derivatives == (("a", tmp_path / "deriv=1"),)


def test_a_model_is_kept_as_a_name_or_made_an_absolute_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert participant(model="hcp-ya").model == "hcp-ya"
    assert participant(model="./bundle").model == str(tmp_path / "bundle")
    assert participant(model="models/bundle").model == str(tmp_path / "models" / "bundle")


@pytest.mark.parametrize(
    ("text", "gigabytes"),
    [
        ("16G", 16),
        ("1.5G", 1.5),
        ("512M", 0.5),
        ("16384", 16),
        ("2T", 2048),
        ("8gb", 8),
        ("8 GiB", 8),
        ("1048576K", 1),
    ],
)
def test_memory_is_read_with_its_unit_and_as_mb_without_one(text, gigabytes):
    assert participant(mem=text).mem == gigabytes


def test_a_number_for_the_memory_is_gb():
    assert participant(mem=16).mem == 16.0


@pytest.mark.parametrize("name", ["n_windows", "dummy_scans", "high_pass"])
def test_auto_is_kept_and_numbers_are_numbers(name):
    assert getattr(participant(**{name: "auto"}), name) == "auto"
    number = {"n_windows": 8, "dummy_scans": 0, "high_pass": 0.01}[name]
    assert getattr(participant(**{name: str(number)}), name) == number


@pytest.mark.parametrize(
    ("name", "given", "allowed"),
    [
        ("n_windows", "0", "auto or a whole number, 1 or more"),
        ("n_windows", "2.5", "auto or a whole number"),
        ("nuisance_regressors", "12P", "one of auto, none, 24P"),
        ("high_pass", "128", "a number of Hz, from 0 to 0.25"),
        ("high_pass", "nan", "a number of Hz"),
        ("fd_threshold", "-0.1", "a number of mm, 0 or more"),
        ("fd_threshold", "inf", "a number of mm"),
        ("fd_threshold", "half", "a number of mm"),
        ("dummy_scans", "-1", "0 or more"),
        ("min_minutes", "", "a number of minutes"),
        ("min_dof", "0", "1 or more"),
        ("input_mask", "none", "one of card, brain, gm"),
        ("nprocs", "0", "a whole number, 1 or more"),
        ("nprocs", "two", "a whole number"),
        ("nprocs", True, "a whole number"),
        ("nprocs", 2.0, "a whole number"),
        ("omp_nthreads", "0", "1 or more"),
        ("mem", "16", "16G, 1.5G, 512M or 16000 (MB)"),
        ("mem", "16 apples", "16G"),
        ("mem", "1e308T", "16G"),
        ("device", "gpu", "auto, cpu, cuda or cuda:N"),
        ("device", "cuda:", "auto, cpu, cuda or cuda:N"),
        ("chunk_size", "65", "from 1 to 64"),
        ("chunk_size", "0", "from 1 to 64"),
        ("verbose", -1, "0 or more"),
        ("combine_runs", "yes", "true or false"),
        ("participant_label", ["sub-0_1"], "a label of letters and digits, with or without sub-"),
        ("participant_label", ["sub-"], "a label"),
        ("participant_label", [1], "a label"),
        ("participant_label", 1, "a label"),
        ("session_label", ["ses 1"], "with or without ses-"),
        ("task_id", "", "with or without task-"),
        ("task_id", None, "with or without task-"),
        ("derivatives", ["/path"], "NAME=PATH"),
        ("derivatives", ["fmriprep="], "NAME=PATH"),
        ("derivatives", ["=/path"], "NAME=PATH"),
        ("work_dir", "", "a path"),
        ("work_dir", "bad\udc80name", "bytes that are not UTF-8"),
        ("contrasts", [""], "a contrast's label or published name"),
        ("contrasts", [" "], "a contrast's label or published name"),
        ("model", "", "the name of a model or its folder"),
    ],
)
def test_an_illegal_value_is_refused_by_a_sentence_with_what_was_given_and_what_is_allowed(
    name, given, allowed
):
    sentence = refusal(**{name: given})
    shown = given[0] if isinstance(given, list) else given
    assert sentence.startswith("--" + name.replace("_", "-") + ": ")
    assert (str(shown).strip() or repr(shown)) in sentence
    assert allowed in sentence


def test_each_settings_class_refuses_what_it_can_not_do():
    assert "more than 0" in refusal(SimulateSettings, t_r="0")
    assert "one of float32, int16" in refusal(SimulateSettings, dtype="uint8")
    assert "--n-dummies 10" in refusal(SimulateSettings, n_volumes=10, n_dummies=10)
    assert "1 or more" in refusal(DemoSettings, n_participants=0)
    assert "a name of letters" in refusal(ModelsImportSettings, name="../../etc")
    assert "one of brain, gm" in refusal(ModelsImportSettings, input_mask="card")
    assert "OUT" in refusal(SimulateSettings, out="")


def test_values_that_do_not_go_together_are_refused():
    assert "/a and /b" in refusal(derivatives=["x=/a", "x=/b"])
    assert "choose another folder for the output" in refusal(output_dir="/data")
    assert "--work-dir is /out" in refusal(work_dir="/out")
    assert "--work-dir is /data" in refusal(work_dir="/data")
    assert "--omp-nthreads 4" in refusal(omp_nthreads=4, nprocs=2)
    assert participant(omp_nthreads=2, nprocs=2).omp_nthreads == 2
    assert participant(derivatives=["x=/a", "x=/a"]).derivatives == (("x", Path("/a")),)


def test_the_settings_of_the_tables_here_are_all_there_are():
    assert set(SCIENCE) | set(NO_SCIENCE) == {spec.name for spec in option_specs(ParticipantSettings)}
    for name, value in {**SCIENCE, **NO_SCIENCE}.items():
        changed = dataclasses.replace(participant(), **{name: value})
        assert getattr(changed, name) != getattr(participant(), name)


@pytest.mark.parametrize("name", SCIENCE)
def test_the_hash_changes_with_each_setting_that_is_in_the_maps(name):
    changed = dataclasses.replace(participant(), **{name: SCIENCE[name]})
    assert settings_hash(changed, WEIGHTS) != settings_hash(participant(), WEIGHTS)
    value = {"acq": [None, "mb"]} if name == "bids_filter_file" else SCIENCE[name]
    assert science_settings(changed)[name] == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize("name", NO_SCIENCE)
def test_the_hash_does_not_change_with_any_other_setting(name):
    changed = dataclasses.replace(participant(), **{name: NO_SCIENCE[name]})
    assert settings_hash(changed, WEIGHTS) == settings_hash(participant(), WEIGHTS)


def test_the_hash_changes_with_the_weights():
    hashes = {settings_hash(participant(), weights) for weights in ("0" * 64, "1" * 64, "")}
    assert len(hashes) == 3
    assert all(len(spec) == 64 for spec in hashes)


def test_the_hash_does_not_depend_on_how_a_value_was_written():
    written_text = participant(
        fd_threshold="-0", min_minutes=4, min_dof="60", n_windows="1", high_pass="0.0100"
    )
    plain = participant(high_pass=0.01)
    assert settings_hash(written_text, WEIGHTS) == settings_hash(plain, WEIGHTS)


def test_science_settings_are_what_json_can_hold():
    science = science_settings(participant())
    assert json.loads(json.dumps(science)) == science
