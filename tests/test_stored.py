"""However the same series is stored, and wherever it lies, it gives the same maps."""

import gzip
import shutil

import nibabel as nib
import numpy as np
import pytest

from tests.inprocess import BOLD, call, copy_participant, maps_of, only
from tests.processes import SMALL


def stored(participants, folder, write):
    """Create a dataset of one participant, whose series a function of image and path writes."""
    func = copy_participant(participants, "01", folder, "01")
    path = only(func, BOLD)
    image = nib.load(path)
    data = np.asarray(image.dataobj, np.float32)
    path.unlink()
    # As int16 with a slope, so that all can hold the same values exactly.
    whole = np.round(data / 0.5).astype(np.int16)
    write(whole, image.affine, image.header, path)
    return folder


def header_of(header, dtype, endianness="<"):
    own = nib.Nifti1Header(endianness=endianness)
    own.set_data_dtype(np.dtype(dtype).newbyteorder(endianness))
    own.set_xyzt_units("mm", "sec")
    own.set_sform(header.get_sform(), 4)
    own.set_qform(header.get_sform(), 4)
    return own


def as_float(whole, affine, header, path):
    nib.save(nib.Nifti1Image(whole.astype(np.float32) * 0.5, affine, header_of(header, np.float32)), path)


def as_plain_nii(whole, affine, header, path):
    as_float(whole, affine, header, path.with_suffix(""))


def with_a_slope(whole, affine, header, path, endianness="<"):
    image = nib.Nifti1Image(whole, affine, header_of(header, np.int16, endianness))
    image.header.set_slope_inter(0.5, 0)
    nib.save(image, path)


def big_endian(whole, affine, header, path):
    with_a_slope(whole, affine, header, path, ">")
    assert nib.load(path).header.endianness == ">"


def as_nifti_2(whole, affine, header, path):
    nib.save(nib.Nifti2Image(whole.astype(np.float32) * 0.5, affine), path)


def in_several_members(whole, affine, header, path):
    as_float(whole, affine, header, path)
    content = gzip.decompress(path.read_bytes())
    parts = np.array_split(np.frombuffer(content, np.uint8), 5)
    path.write_bytes(b"".join(gzip.compress(part.tobytes(), 1) for part in parts))


WAYS = (as_float, as_plain_nii, with_a_slope, big_endian, as_nifti_2, in_several_members)


def run(dataset, output, model):
    ended = call(dataset, output, "participant", "--model", model, *SMALL, "--nprocs", "1")
    assert ended.code == 0, ended.out + ended.err
    return maps_of(output, "01")


@pytest.fixture(scope="module")
def usual(participants, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("usual")
    return run(stored(participants, folder / "fmriprep", as_float), folder / "out", model)


@pytest.mark.parametrize("write", WAYS, ids=lambda write: write.__name__)
def test_the_way_of_storing_does_not_matter(participants, model, tmp_path, usual, write):
    assert run(stored(participants, tmp_path / "fmriprep", write), tmp_path / "out", model) == usual


@pytest.mark.parametrize("name", ["with spaces in it", "Prüfung_Ångström", "脳 [1] #2 $HOME 'q'"])
def test_the_path_does_not_matter(participants, model, tmp_path, usual, name):
    dataset = stored(participants, tmp_path / name / "fmriprep", as_float)
    assert run(dataset, tmp_path / name / "maps out", model) == usual


def test_links_are_followed(participants, model, tmp_path, usual):
    real = stored(participants, tmp_path / "store" / "fmriprep", as_float)
    (tmp_path / "view" / "sub-01" / "func").mkdir(parents=True)
    for path in (real / "sub-01" / "func").iterdir():
        (tmp_path / "view" / "sub-01" / "func" / path.name).symlink_to(path)
    shutil.copy(real / "dataset_description.json", tmp_path / "view")
    assert run(tmp_path / "view", tmp_path / "one", model) == usual
    (tmp_path / "whole").symlink_to(tmp_path / "store", target_is_directory=True)
    assert run(tmp_path / "whole" / "fmriprep", tmp_path / "two", model) == usual


def test_nothing_is_written_where_the_data_are(participants, model, tmp_path, usual):
    dataset = stored(participants, tmp_path / "fmriprep", as_float)

    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in dataset.rglob("*")}

    before = state()
    folders = [path for path in (dataset, *dataset.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert run(dataset, tmp_path / "out", model) == usual
        assert state() == before
    finally:
        for folder in folders:
            folder.chmod(0o755)
