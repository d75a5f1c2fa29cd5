"""The page of output files names every file that both levels write, and every field of its JSON files."""

import json
from fnmatch import fnmatchcase

import numpy as np
import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.connectome.qc_verdicts import metric_specs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.evaluation.output_files import TABLE_NAMES
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.models.card import OPTIONAL
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.training import work_folder
from bids_deeptaskgen.training.ridge import FIT_TABLE
from scripts.reference.outputs import json_fields, output_sections, pattern_regex
from tests.group.dataset import BLOCK
from tests.group.regions.test_functional_rois import cohort_with_mask, write_measured
from tests.group.running import run

DATASET = ("Dataset", "Participant", "Logs and temporary files", "Group")


def files_of(*titles):
    """Return the files of sections of the page."""
    sections = output_sections()
    return [file for title in titles for file in sections[title][1]]


def matching(name, files):
    """Return the first file whose pattern, or whose sidecar's, describes a path."""
    for file in files:
        patterns = [file.pattern, file.sidecar] if file.fields else [file.pattern]
        if any(pattern_regex(pattern).fullmatch(name) for pattern in patterns):
            return file
    return None


def field_names(value, prefix=""):
    """Yield the names of all fields of a JSON value, as the page writes them."""
    if isinstance(value, dict):
        for key, item in value.items():
            name = f"{prefix}.{key}" if prefix else key
            yield name
            yield from field_names(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from field_names(item, f"{prefix}[]")


def fields_of(path):
    """Yield the names of the fields of a JSON file, with ``<column>`` for each column of its table."""
    table = path.with_suffix(".tsv")
    columns = table.read_text("utf-8").partition("\n")[0].split("\t") if table.is_file() else ()
    for key, value in json.loads(path.read_text("utf-8")).items():
        yield from field_names({"<column>" if key in columns else key: value})


def is_described(name, fields):
    """Return whether a field, or a pattern that stands for it, is on the page."""
    if name in fields or (name in metric_specs() and "<metric>" in fields):
        return True
    patterns = (field.replace("[]", "[[]]") for field in fields if "*" in field)
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def check_dataset(folder):
    """Check that the page describes all files of a dataset, and the fields of its JSON files."""
    files = files_of(*DATASET)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert [name for name in names if matching(name, files) is None] == []
    unknown_fields = {}
    for name in names:
        if name.endswith(".json"):
            kind = matching(name, files).fields
            names_of_fields = set(fields_of(folder / name))
            other_fields = {field for field in names_of_fields if not is_described(field, json_fields(kind))}
            unknown_fields |= {(kind, field): name for field in sorted(other_fields)}
    assert unknown_fields == {}, "describe them in scripts/reference/json_fields.json"
    return names


@pytest.mark.parametrize("changes", [{"save_connectome": True, "reports": "full"}, {"map_format": "4d"}])
def test_the_page_describes_the_files_of_the_participant_level(tmp_path, simulated, model, changes):
    settings = ParticipantSettings(
        **{"bids_dir": simulated, "output_dir": tmp_path / "out", "model": str(model), "nprocs": 1},
        **{"participant_label": ("01",), "min_minutes": 0.5, "min_dof": 5, "n_windows": 2, "n_bootstrap": 2},
        **({"reports": "none"} | changes),
    )
    assert participant.run(settings) == 0
    names = check_dataset(settings.output_dir)
    endings = ("_desc-windowSD_statmap.nii.gz", "_settings.toml", "_desc-agreement_contrasts.tsv")
    assert all(any(name.endswith(ending) for name in names) for ending in endings)
    toml = next((settings.output_dir / "logs").glob("*_settings.toml")).read_text("utf-8")
    assert all(f"{spec.name} " in toml for spec in option_specs(ParticipantSettings))


def test_the_page_describes_the_files_of_the_group_level(tmp_path):
    cohort = cohort_with_mask(tmp_path / "out", n=14, has_connectomes=True)
    write_measured(tmp_path / "measured", cohort)
    labels = np.zeros(OUTPUT_GRID.shape, np.int16)
    labels[BLOCK] = 1
    atlas = tmp_path / "atlas.nii.gz"
    save_nifti(atlas, labels, OUTPUT_GRID.matrix, dtype=np.int16)
    options = {"design": "age", "atlas": (str(atlas),), "froi": str(atlas), "measured": tmp_path / "measured"}
    assert run(cohort.folder, **options) == 0
    names = [name for name in check_dataset(cohort.folder) if name.startswith("group/")]
    kinds = ("desc-froiOverlap_rois.tsv", "stat-t_desc-age_statmap.nii.gz", "desc-qcfc_edges.tsv")
    assert all(any(name.endswith(kind) for name in names) for kind in kinds)


def test_the_page_has_each_pattern_of_the_program_once():
    outputs = load_table("outputs.json")
    patterns = [file.pattern for file in files_of(*DATASET)]
    assert len(patterns) == len(set(patterns))
    assert set(outputs["patterns"].values()) <= set(patterns)
    assert set(outputs["evaluation"].values()) <= {file.pattern for file in files_of("Evaluation")}
    assert set(outputs["biomarkers"].values()) == {file.pattern for file in files_of("Biomarkers")}


def test_the_page_has_each_table_of_an_evaluation_and_each_file_of_a_training():
    names = {file.pattern for file in files_of("Evaluation")}
    assert {f"{name}.tsv" for name in TABLE_NAMES} == {name for name in names if name.endswith(".tsv")}
    names = {file.pattern for file in files_of("Work folder of a training")}
    assert {work_folder.SPLIT, work_folder.LOG, work_folder.STATE, FIT_TABLE} <= names


def test_the_page_describes_the_files_of_a_model(model):
    files = files_of("Model bundle")
    names = [path.name for path in model.iterdir()]
    assert [name for name in names if matching(name, files) is None] == []
    content = json.loads((model / "card.json").read_text("utf-8")) | OPTIONAL
    fields = json_fields("card")
    assert [name for name in field_names(content) if not is_described(name, fields)] == []
    assert {name for name in fields if "*" not in name} <= set(content)


def test_an_unknown_file_and_an_unknown_field_are_found():
    files = files_of(*DATASET)
    assert matching("sub-01/func/sub-01_task-rest_desc-qc_metrics.json", files) is not None
    assert matching("sub-01/func/sub-01_task-rest_desc-other_metrics.json", files) is None
    assert matching("sub-01/anat/sub-01_desc-qc_metrics.json", files) is None
    fields = json_fields("statmap")
    assert is_described("DeepTaskGen.Runs[].t_r", fields)
    assert is_described("DeepTaskGen.Settings.smoothing", fields)
    assert not is_described("DeepTaskGen.Runs[].other", fields)
    assert not is_described("Other", fields)
