"""Headers and compression that other readers misread or refuse give the same maps, or a sentence."""

import gzip
import json
import shutil

import numpy as np
import pytest

from tests.inprocess import BOLD, MASK, call, copy_participant, maps_of, only, outcomes
from tests.io.headers import alter
from tests.processes import SMALL

NO_SFORM = {"srow_x": 0, "srow_y": 0, "srow_z": 0}


def has_an_offset_of_0(func):
    alter(only(func, BOLD), vox_offset=0)
    alter(only(func, MASK), vox_offset=0)


def has_an_offset_of_0_and_is_plain(func):
    path = only(func, BOLD)
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    alter(path.with_suffix(""), vox_offset=0)


def has_a_quaternion_that_is_too_long(func):
    for name in (BOLD, MASK):
        alter(only(func, name), quatern_b=1.2, quatern_c=0.5)


def has_an_sform_of_zeros(func):
    for name in (BOLD, MASK):
        alter(only(func, name), **NO_SFORM)


def has_a_mask_with_an_sform_of_zeros(func):
    alter(only(func, MASK), **NO_SFORM)


def ends_with_zeros(func):
    for name in (BOLD, MASK):
        path = only(func, name)
        path.write_bytes(path.read_bytes() + bytes(512))


def ends_with_line_ends(func):
    for name in (BOLD, MASK):
        path = only(func, name)
        path.write_bytes(path.read_bytes() + b"\r\n")


def has_a_mask_of_four_axes(func):
    alter(only(func, MASK), dim={0: 4, 4: 1})


def has_an_axis_of_length_1(func):
    alter(only(func, BOLD), dim={0: 5, 5: 1})


SAME = (
    has_an_offset_of_0,
    has_an_offset_of_0_and_is_plain,
    has_a_quaternion_that_is_too_long,
    has_an_sform_of_zeros,
    has_a_mask_with_an_sform_of_zeros,
    ends_with_zeros,
    ends_with_line_ends,
    has_a_mask_of_four_axes,
    has_an_axis_of_length_1,
)


REPLACED = {
    has_an_offset_of_0: "vox_offset is 0, so values are read from byte 352",
    has_an_offset_of_0_and_is_plain: "vox_offset is 0, so values are read from byte 352",
    has_a_quaternion_that_is_too_long: "so the sform is used",
    has_an_sform_of_zeros: "the sform (code 4) is all zeros, so the qform is used",
    has_a_mask_with_an_sform_of_zeros: "the sform (code 4) is all zeros, so the qform is used",
}


def has_no_usable_orientation(func):
    alter(only(func, BOLD), qform_code=0, **NO_SFORM)


def is_plain_under_the_name_of_a_gzipped_file(func):
    path = only(func, BOLD)
    path.write_bytes(gzip.decompress(path.read_bytes()))


def has_forms_90_mm_apart(func):
    path = only(func, BOLD)
    header = gzip.decompress(path.read_bytes())[:348]
    alter(path, qoffset_x=np.frombuffer(header, "<f4")[67] + 90)


def has_values_outside_the_file(func):
    alter(only(func, BOLD), vox_offset=1e9)


def has_a_web_page_for_a_mask(func):
    only(func, MASK).write_bytes(b"<!DOCTYPE html>\n<html>log in</html>")


REFUSED = {
    has_no_usable_orientation: (BOLD, "the sform (code 4) is all zeros"),
    is_plain_under_the_name_of_a_gzipped_file: (BOLD, "is not gzipped, but its name ends with .gz"),
    has_forms_90_mm_apart: (BOLD, "the qform is shifted by 90 mm (x +90, y 0, z 0)"),
    has_values_outside_the_file: (BOLD, "truncated"),
    has_a_web_page_for_a_mask: (MASK, "its content is not NIfTI, but a web page"),
}


def label_of(function):
    return function.__name__.replace("_", "")


@pytest.fixture(scope="module")
def cohort(participants, model, tmp_path_factory):
    """Run one brain with every header, and as it is."""
    folder = tmp_path_factory.mktemp("headers")
    data, output = folder / "fmriprep", folder / "maps"
    copy_participant(participants, "01", data, "usual")
    for change in (*SAME, *REFUSED):
        func = copy_participant(participants, "01", data, label_of(change))
        for name in (BOLD, MASK):
            alter(only(func, name), sform_code=4, qform_code=4)
        change(func)
    ended = call(data, output, "participant", "--model", model, *SMALL, "--nprocs", "1")
    assert ended.code == 1, ended.err
    shutil.rmtree(data)
    return output


@pytest.mark.parametrize("change", SAME, ids=lambda change: change.__name__)
def test_the_header_does_not_change_the_maps(cohort, change):
    usual = maps_of(cohort, "usual")
    assert usual
    assert maps_of(cohort, label_of(change)) == usual


@pytest.mark.parametrize("change", SAME, ids=lambda change: change.__name__)
def test_a_header_field_that_another_one_replaces_is_flagged(cohort, change):
    func = cohort / f"sub-{label_of(change)}" / "func"
    flags = json.loads(only(func, "metrics.json").read_text())["Flags"]
    messages = [flag["Message"] for flag in flags if flag["Name"] == "invalid_header_field"]
    assert bool(messages) == (change in REPLACED)
    assert all(REPLACED[change] in message for message in messages)


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_an_unusable_header_is_named(cohort, change):
    place, words = REFUSED[change]
    reason = outcomes(cohort)[label_of(change)]["reason"]
    assert words in reason
    assert place in reason.partition(": ")[0]
