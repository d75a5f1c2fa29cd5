"""Alterations of JSON files, of the dataset's description, and of the participants table."""

import json

import nibabel as nib
from nibabel.filebasedimages import ImageFileError

from tests.strategies.alteration import (
    BOLD,
    DESCRIPTION,
    MASK,
    TABLE,
    NotApplicableError,
    damages,
    preserves,
)


def read(path):
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotApplicableError(path.name) from error
    if not isinstance(content, dict):
        raise NotApplicableError(path.name)
    return content


def change_fields(path, **fields):
    path.write_text(json.dumps(read(path) | fields), "utf-8")


def any_json(data):
    return data.random.choice((data.sidecar(BOLD), data.sidecar(MASK), data.sidecar(TABLE)))


def require_time_in_header(data):
    """Refuse a series whose header has no repetition time, which another alteration removed."""
    try:
        zooms = nib.load(data.file(BOLD)).header.get_zooms()
    except (OSError, ValueError, nib.spatialimages.HeaderDataError, ImageFileError) as error:
        raise NotApplicableError(BOLD) from error
    if len(zooms) < 4 or not zooms[3] > 0:
        raise NotApplicableError(BOLD)


def description_of(data):
    path = data.root / DESCRIPTION
    if not path.is_file():
        raise NotApplicableError(path.name)
    return path


def encode_as(data, path):
    """Write a JSON file in another encoding, with a letter outside ASCII."""
    encoding = data.random.choice(("utf-16", "latin-1", "utf-32-le", "cp1252"))
    text = json.dumps(read(path) | {"Comment": "gemessen für"}, ensure_ascii=False)
    path.write_bytes(text.encode(encoding))


BROKEN = (
    "{",
    "",
    "null",
    "[]",
    "3",
    '{"RepetitionTime": 2.0,}',
    "{'RepetitionTime': 2.0}",
    "\0" * 20,
    "<html>",
    '"x"',
)


# Sidecars of the run


@preserves("JSON", readable=True)
def byte_order_mark_in_json(data):
    path = any_json(data)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().removeprefix(b"\xef\xbb\xbf"))


@preserves("JSON", readable=True)
def line_ends_of_windows_in_json(data):
    path = any_json(data)
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


@preserves("JSON", readable=True)
def fields_that_are_null(data):
    keys = ("TaskName", "Resolution", "SkullStripped", "Type", "RawSources")
    change_fields(any_json(data), **dict.fromkeys(data.random.sample(keys, 2)))


@preserves("JSON", readable=True)
def fields_of_any_depth(data):
    nested = {"a": [{"b": [[[1, None, "é"]]]}, 1e308], "": {"RepetitionTime": 9}}
    change_fields(any_json(data), Extra=nested, SliceTiming=[0.1] * 300)


@preserves("JSON", readable=True)
def not_a_number_in_json(data):
    change_fields(any_json(data), EchoTime=float("nan"), FlipAngle=float("inf"))


@preserves("JSON")
def repetition_time_as_text(data):
    change_fields(data.sidecar(BOLD), RepetitionTime=data.random.choice(("2.0", "2", " 2.0 ", "2,0", "2 s")))


@preserves("JSON")
def repetition_time_in_a_list(data):
    change_fields(data.sidecar(BOLD), RepetitionTime=data.random.choice(([2.0], {"value": 2.0}, [], True)))


@preserves("JSON", readable=True)
def repetition_time_only_in_the_header(data):
    require_time_in_header(data)
    path = data.sidecar(BOLD)
    content = read(path)
    content.pop("RepetitionTime", None)
    if data.random.random() < 0.5:
        content["RepetitionTime"] = None
    path.write_text(json.dumps(content), "utf-8")


@preserves("JSON", readable=True, tolerance=1e-6)
def repetition_time_that_differs_by_rounding(data):
    change_fields(data.sidecar(BOLD), RepetitionTime=2.0000001)


@preserves("JSON", readable=True)
def repetition_time_in_the_json_of_the_dataset(data):
    data.sidecar(BOLD).unlink()
    (data.root / "task-rest_bold.json").write_text('{"RepetitionTime": 2.0}', "utf-8")


@preserves("JSON", readable=True)
def another_value_in_the_json_of_the_dataset(data):
    (data.root / "task-rest_bold.json").write_text('{"RepetitionTime": 3.0}', "utf-8")


@preserves("JSON")
def encoding_of_a_sidecar(data):
    encode_as(data, any_json(data))


@preserves("JSON")
def broken_json_of_table_or_mask(data):
    data.sidecar(data.random.choice((TABLE, MASK))).write_text(data.random.choice(BROKEN), "utf-8")


@preserves("JSON")
def broken_json_of_the_dataset(data):
    name = data.random.choice(
        ("task-rest_bold.json", "participants.json", "task-nback_bold.json", "bold.json")
    )
    (data.root / name).write_text(data.random.choice(BROKEN), "utf-8")


@preserves("JSON")
def broken_json_of_the_series(data):
    data.sidecar(BOLD).write_text(data.random.choice(BROKEN), "utf-8")


@damages("JSON", "repetitiontime", "repetition time")
def repetition_time_of_another_value(data):
    change_fields(
        data.sidecar(BOLD), RepetitionTime=data.random.choice((3.0, 0.72, 2000, -2, 0, float("nan")))
    )


# The dataset's description


@preserves("dataset", readable=True)
def byte_order_mark_in_the_description(data):
    path = description_of(data)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().removeprefix(b"\xef\xbb\xbf"))


@preserves("dataset", readable=True)
def other_spelling_of_derivative(data):
    change_fields(
        description_of(data),
        DatasetType=data.random.choice(("derivatives", "Derivative", "DERIVATIVES", " derivative")),
    )


@preserves("dataset", readable=True)
def no_usable_type_of_dataset(data):
    change_fields(description_of(data), DatasetType=data.random.choice((None, "", [], 3, {}, ["derivative"])))


@preserves("dataset")
def raw_as_the_type_of_dataset(data):
    change_fields(description_of(data), DatasetType="raw")


@preserves("dataset", readable=True)
def other_forms_of_generated_by(data):
    fmriprep = {"Name": "fMRIPrep", "Version": "24.1.1"}
    value = data.random.choice(
        (
            [fmriprep],
            fmriprep,
            [{"Name": "fmriprep"}],
            ["fMRIPrep"],
            "fMRIPrep",
            [],
            None,
            [{}],
            [{"Name": None}],
            [{"Name": "fMRIPrep", "Version": None}],
            [{"Name": "fMRIPrep", "Version": 24}],
            [[fmriprep]],
            7,
            [{"Name": "fMRIPrep", "Version": "24.1.1.dev3+gabc.d20240101"}],
            [{"Name": "fMRIPrep", "Version": "latest"}],
            [fmriprep, {"Name": "heudiconv", "Version": "1.1"}],
        )
    )
    change_fields(description_of(data), GeneratedBy=value)


@preserves("dataset", readable=True)
def pipeline_description_of_old_releases(data):
    path = description_of(data)
    content = read(path)
    content.pop("GeneratedBy", None)
    content["PipelineDescription"] = {"Name": "fMRIPrep", "Version": "1.5.8"}
    path.write_text(json.dumps(content), "utf-8")


@preserves("dataset")
def encoding_of_the_description(data):
    encode_as(data, description_of(data))


@preserves("dataset")
def broken_description(data):
    description_of(data).write_text(data.random.choice(BROKEN), "utf-8")


@preserves("dataset", readable=True)
def other_fields_of_the_description(data):
    field = data.random.choice(
        (
            {"BIDSVersion": "9.9"},
            {"BIDSVersion": None},
            {"Name": None},
            {"DatasetLinks": {"raw": "/nowhere"}},
            {"DatasetLinks": ["x"]},
            {"DatasetLinks": {"raw": 3}},
            {"DatasetLinks": None},
            {"License": 3},
            {"SourceDatasets": "x"},
            {"Name": "x" * 5000},
            {"Name": "ü\n\t\u2028"},
            {"DatasetDOI": ["x"]},
        )
    )
    change_fields(description_of(data), **field)


@damages("dataset", "20.2.1", "23.2.0", "25.1.0", "known", always=True)
def release_with_a_known_fault(data):
    release = data.random.choice(("20.2.1", "23.2.0", "25.1.0"))
    change_fields(description_of(data), GeneratedBy=[{"Name": "fMRIPrep", "Version": release}])


# The participants table


def participants_of(data):
    path = data.root / "participants.tsv"
    if not path.is_file():
        raise NotApplicableError(path.name)
    return path


@preserves("dataset", readable=True)
def ids_without_sub_in_the_participants_table(data):
    path = participants_of(data)
    prefix = data.random.choice(("", "SUB-", "sub_", "sub-0", "00"))
    path.write_bytes(path.read_bytes().replace(b"sub-", prefix.encode()))


@preserves("dataset")
def encoding_of_the_participants_table(data):
    path = participants_of(data)
    encoding = data.random.choice(("latin-1", "utf-16", "utf-8-sig", "cp1252"))
    text = path.read_bytes().decode("utf-8", "replace").replace("age", "größe")
    path.write_bytes(text.encode(encoding, "replace"))


@preserves("dataset")
def form_of_the_participants_table(data):
    path = participants_of(data)
    changes = (
        lambda text: text.replace("\t", ","),
        lambda text: text.replace("\n", "\t\n"),
        lambda text: text + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda _: "",
        lambda text: text.partition("\n")[0] + "\n",
        lambda text: text.replace("participant_id", "Participant_ID"),
        lambda text: text + "\n\n",
        lambda text: text.replace("participant_id\tage", "age\tparticipant_id"),
        lambda text: text.replace("\nsub", "\t\nsub", 1),
        lambda _: "\0" * 10,
        lambda text: text.replace("sex", "age"),
    )
    text = path.read_bytes().decode("utf-8", "replace")
    path.write_text(data.random.choice(changes)(text), "utf-8", newline="")
