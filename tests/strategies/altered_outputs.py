"""Alterations of an output dataset that the group level reads: maps, sidecars, and the participants table."""

import shutil

import nibabel as nib
import numpy as np

from tests.strategies.alteration import LABEL, NotApplicableError, damages, preserves, read_bytes, write_bytes
from tests.strategies.altered_files import ANNEX
from tests.strategies.altered_json import BROKEN, encode_as

MAP, RECORD = "_statmap.nii", "_metrics.json"


def load(data):
    path = data.file(MAP)
    try:
        image = nib.Nifti1Image.from_bytes(read_bytes(path))
        return path, np.asanyarray(image.dataobj).copy(), image.affine, image.header
    except (ValueError, OSError, nib.spatialimages.HeaderDataError) as error:
        raise NotApplicableError(path.name) from error


def change_map(data, change):
    path, values, affine, header = load(data)
    write_bytes(path, nib.Nifti1Image(change(values), affine, header).to_bytes())


@preserves("output maps", tolerance=1e-6)
def map_in_another_orientation(data):
    path, values, affine, _ = load(data)
    axes = data.random.choice(("LAS", "LPI", "PSR"))
    target = nib.orientations.axcodes2ornt(axes)
    transform = nib.orientations.ornt_transform(nib.io_orientation(affine), target)
    write_bytes(path, nib.Nifti1Image(values, affine).as_reoriented(transform).to_bytes())


@preserves("output maps", tolerance=1e-6)
def map_of_another_type(data):
    path, values, affine, header = load(data)
    header = header.copy()
    header.set_data_dtype(data.random.choice((np.float64, ">f4")))
    write_bytes(path, nib.Nifti1Image(values.astype(np.float64), affine, header).to_bytes())


@preserves("output maps", tolerance=1e-6)
def map_without_compression(data):
    path = data.file(MAP)
    path.with_suffix("").write_bytes(read_bytes(path))
    if data.random.random() < 0.7:
        path.unlink()


@preserves("output maps", tolerance=1e-6)
def map_with_an_axis_of_one(data):
    change_map(data, lambda values: values[..., None])


@preserves("output maps", readable=True)
def map_behind_a_link(data):
    path = data.file(MAP)
    folder = data.root / ".git" / "annex" / "objects"
    folder.mkdir(parents=True)
    target = folder / ("MD5E-s4--12" + data.random.choice(("", ".nii.gz")))
    shutil.move(path, target)
    path.symlink_to(target)


@damages("output maps", "datalad get")
def map_in_an_empty_annex(data):
    path = data.file(MAP)
    path.unlink()
    path.symlink_to(ANNEX.format(".nii.gz", ".nii.gz"))


@damages("output maps", "sub-01", "missing")
def map_missing(data):
    data.file(MAP).unlink()


@damages("output maps", "truncated", "damaged", "cannot be read", "empty")
def map_cut_off(data):
    path = data.file(MAP)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * data.random.choice((0, 0.1, 0.9)))])


@damages("output maps", "grid", "mm")
def map_on_another_grid(data):
    path, values, affine, header = load(data)
    kind = data.random.choice(("shifted", "cropped", "scaled"))
    if kind == "shifted":
        affine[0, 3] += 4
    elif kind == "scaled":
        affine[:3, :3] *= 1.01
    else:
        values = values[1:]
    write_bytes(path, nib.Nifti1Image(values, affine, header).to_bytes())


@damages("output maps", "nan", "finite", "zero", "empty", "no values", "voxels")
def map_without_values(data):
    value = data.random.choice((0, np.nan, np.inf))
    change_map(data, lambda values: np.full_like(values, value))


@damages("output maps", "axes", "shape")
def map_of_four_axes(data):
    change_map(data, lambda values: np.stack([values, values], axis=3))


# Records and sidecars


@preserves("output files", readable=True)
def byte_order_mark_in_a_record(data):
    path = data.file(data.random.choice((RECORD, "_statmap.json")))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


@preserves("output files")
def encoding_of_a_record(data):
    encode_as(data, data.file(data.random.choice((RECORD, "_statmap.json"))))


@damages("output files", "json", "cannot be read", "record", "never processed", "sub-01")
def broken_record(data):
    data.file(data.random.choice((RECORD, "_statmap.json"))).write_text(data.random.choice(BROKEN), "utf-8")


@damages("output files", "sub-01", "missing", "never processed")
def record_missing(data):
    data.file(data.random.choice((RECORD, "_statmap.json"))).unlink()


@preserves("output files", readable=True)
def other_files_in_the_output(data):
    for name in ("notes.txt", ".DS_Store", "sub-01.html", "sub-01/notes", "logs/x_participants.tsv.bak"):
        (data.root / name).write_bytes(b"\xff\0")


@preserves("output files")
def participant_folder_of_no_label(data):
    name = data.random.choice(("sub-01_old", "sub-01 copy", "sub-A_01"))
    shutil.copytree(data.root / f"sub-{LABEL}", data.root / name, symlinks=True)


@preserves("output files")
def table_of_an_earlier_run(data):
    content = data.random.choice((b"", b"\xff\xfe", b"x\ty\n1\t2\n", b"participant_id\n", b"\0\0"))
    (data.root / "logs" / "20200101T000000-x_participants.tsv").write_bytes(content)


@preserves("output files")
def broken_description_of_the_output(data):
    (data.root / "dataset_description.json").write_text(data.random.choice(BROKEN), "utf-8")


# The participants table


def participants_text(data):
    return (data.root / "participants.tsv").read_bytes().decode("utf-8", "replace")


def write_participants(data, text, encoding="utf-8"):
    (data.root / "participants.tsv").write_bytes(text.encode(encoding, "replace"))


@preserves("output tables")
def ids_in_another_form(data):
    prefix = data.random.choice(("", "SUB-", "sub-0", "00", "Sub-"))
    write_participants(data, participants_text(data).replace("sub-0", prefix))


@preserves("output tables")
def encoding_of_the_output_table(data):
    encoding = data.random.choice(("latin-1", "utf-16", "cp1252"))
    write_participants(data, participants_text(data).replace("sex", "größe"), encoding)


@preserves("output tables", readable=True)
def text_form_of_the_output_table(data):
    changes = (
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.partition("\n")[0] + "\n" + "".join(reversed(text.splitlines(keepends=True)[1:])),
    )
    write_participants(data, data.random.choice(changes)(participants_text(data)))


@preserves("output tables")
def other_program_of_the_output_table(data):
    changes = (
        lambda text: text.replace("\t", ","),
        lambda text: text.replace("participant_id", "Participant_ID"),
        lambda text: text.replace("participant_id", "subject"),
        lambda text: text.replace("\nsub", "\t\nsub"),
        lambda text: "".join(
            f"{number}\t{line}" if number else line
            for number, line in enumerate(text.splitlines(keepends=True))
        ),
        lambda text: text + text.splitlines(keepends=True)[-1],
    )
    write_participants(data, data.random.choice(changes)(participants_text(data)))


@damages("output tables", "participants.tsv")
def participants_table_without_rows(data):
    text = participants_text(data)
    write_participants(data, data.random.choice(("", text.partition("\n")[0] + "\n", "\0\0\0")))


@damages("output tables", "participants.tsv", "sub-01")
def row_of_the_participant_missing(data):
    lines = participants_text(data).splitlines(keepends=True)
    write_participants(data, "".join(line for line in lines if not line.startswith(f"sub-{LABEL}")))


@damages("output tables", "participants.tsv", "twice", "sub-01")
def two_rows_that_differ(data):
    row = participants_text(data).splitlines()[1].split("\t")
    write_participants(data, participants_text(data) + "\t".join([row[0], "99", *row[2:]]) + "\n")
