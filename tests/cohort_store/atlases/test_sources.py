"""Atlases are files or names of TemplateFlow; what cannot be fetched is answered with what to bring."""

import json
import os
import subprocess
import sys

import pytest

from bids_deeptaskgen.cohort_store.atlases.sources import load_atlas
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.io.checksum import file_sha256
from tests.cohort_store.atlas_files import label_volume, output_mask, write_image

TEMPLATE = "tpl-MNI152NLin6Asym"
SOURCES = (
    "Boxes_desc-th25", "atlas-Boxes_desc-th25_dseg", "tpl-MNI152NLin6Asym_atlas-Boxes_desc-th25",
    "Boxes_desc-th25_res-1", "Boxes", "Boxes_desc-th0", "Spheres", "Soft", "Other_scale-7", "Boxes_hemi-L",
)  # fmt: skip
CODE = """
import json, sys
from bids_deeptaskgen.cohort_store.atlases.sources import fetch_atlas
from bids_deeptaskgen.errors import UserError
answers = {}
for source in sys.argv[1:]:
    try:
        answers[source] = fetch_atlas(source, "froi").name
    except UserError as error:
        answers[source] = f"{error.exit_code}: {error}"
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Ask for atlases without a network; files of 0 bytes are those that TemplateFlow has to download."""
    home = tmp_path_factory.mktemp("templateflow")
    folder = home / TEMPLATE
    write_image(folder / f"{TEMPLATE}_res-02_atlas-Boxes_desc-th25_dseg.nii.gz", label_volume())
    for name in (
        "res-01_atlas-Boxes_desc-th25_dseg.nii.gz",
        "res-02_atlas-Boxes_desc-th0_dseg.nii.gz",
        "res-01_atlas-Soft_probseg.nii.gz",
        "res-02_atlas-Boxes_desc-dilated_mask.nii.gz",
        "res-02_T1w.nii.gz",
    ):
        (folder / f"{TEMPLATE}_{name}").touch()
    environment = os.environ | {"TEMPLATEFLOW_HOME": str(home), "https_proxy": "http://127.0.0.1:9"}
    # A home of which TemplateFlow can make nothing: a file instead of a folder.
    (home.parent / "file").write_text("")
    outputs = []
    for folder_name, sources in ((home, SOURCES), (home.parent / "file", ["Boxes_desc-th25"])):
        environment["TEMPLATEFLOW_HOME"] = str(folder_name)
        done = subprocess.run(
            [sys.executable, "-c", CODE, *sources],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(json.loads(done.stdout.splitlines()[-1]))
    return outputs[0] | {"no home": outputs[1]["Boxes_desc-th25"]}


@pytest.mark.parametrize("source", SOURCES[:3])
def test_a_name_is_the_file_of_2_mm(answers, source):
    assert answers[source] == f"{TEMPLATE}_res-02_atlas-Boxes_desc-th25_dseg.nii.gz"


@pytest.mark.parametrize(
    ("source", "file", "arguments"),
    [
        (
            "Boxes_desc-th0",
            "res-02_atlas-Boxes_desc-th0_dseg.nii.gz",
            "desc='th0', resolution=2, suffix='dseg'",
        ),
        ("Boxes_desc-th25_res-1", "res-01_atlas-Boxes_desc-th25_dseg.nii.gz", "resolution=1"),
        (
            "Soft",
            "res-01_atlas-Soft_probseg.nii.gz",
            "atlas='Soft', desc=None, resolution=1, suffix='probseg'",
        ),
    ],
)
def test_a_file_that_cannot_be_downloaded_is_answered_with_what_to_bring(answers, source, file, arguments):
    answer = answers[source]
    assert answer.startswith(f"2: `froi`: TemplateFlow cannot fetch {source}: ")
    assert (
        'On a machine with a network, run: python -c "from templateflow import api; print(api.get(' in answer
    )
    assert arguments in answer
    assert f"Then copy {TEMPLATE}_{file} to " in answer
    assert f"/{TEMPLATE}/ here, or give `froi` the path of the file" in answer


def test_a_home_that_templateflow_cannot_use_is_answered_likewise(answers):
    assert answers["no home"].startswith("2: `froi`: TemplateFlow cannot fetch Boxes_desc-th25: ")
    assert "atlas='Boxes', desc='th25', suffix=['dseg', 'probseg']" in answers["no home"]
    assert f"Then copy the file to $TEMPLATEFLOW_HOME/{TEMPLATE}/ here" in answers["no home"]


def test_an_ambiguous_name_lists_the_images_of_the_atlas(answers):
    assert "Boxes fits several atlases of TemplateFlow in MNI152NLin6Asym" in answers["Boxes"]
    assert "Choose one of its images: Boxes_desc-th0_dseg, Boxes_desc-th25_dseg.\n" in answers["Boxes"]


@pytest.mark.parametrize("source", ["Spheres", "Other_scale-7"])
def test_a_wrong_name_lists_the_atlases(answers, source):
    assert f"{source} fits no atlas of TemplateFlow" in answers[source]
    assert "Choose one of its atlases: Boxes, Soft.\n" in answers[source]


def test_a_name_with_an_unknown_entity_is_neither_a_file_nor_a_name(answers):
    assert "Boxes_hemi-L is neither a file nor a name of TemplateFlow" in answers["Boxes_hemi-L"]
    with pytest.raises(
        UserError, match="HOCPA is in MNI152NLin2009cAsym, but the maps are in MNI152NLin6Asym"
    ):
        load_atlas("tpl-MNI152NLin2009cAsym_HOCPA", output_mask())


def test_files_that_are_none_are_named(tmp_path):
    (tmp_path / "empty.nii.gz").touch()
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "absent.nii.gz")
    (tmp_path / "text.nii").write_text("index\tname\n")
    problems = {
        "empty.nii.gz": "is empty .0 bytes., perhaps a download that failed",
        "link.nii.gz": "is a link whose target does not exist",
        "absent.nii.gz": "no such file",
        "text.nii": "cannot be read as a NIfTI image",
        ".": "is a folder",
    }
    for name, problem in problems.items():
        with pytest.raises(InputError, match=problem) as error:
            load_atlas(str(tmp_path / name), output_mask())
        assert str(error.value).startswith(str(tmp_path))
        assert "preprocessing" not in str(error.value)


def test_an_atlas_keeps_its_source_its_hash_and_a_label_for_names_of_files(tmp_path):
    path = write_image(tmp_path / "tpl-MNI152NLin6Asym_res-02_atlas-Boxes_desc-th25_dseg.nii", label_volume())
    atlas = load_atlas(str(path), output_mask())
    assert (atlas.label, atlas.source, atlas.sha256) == ("BoxesTh25", str(path), file_sha256(path))


@pytest.mark.parametrize("source", ["~no_such_user/a.nii.gz", "https://example.org/a.nii.gz", ""])
def test_a_text_that_is_no_path_of_this_machine_is_refused(source):
    with pytest.raises(UserError, match="`froi`: "):
        load_atlas(source, output_mask(), "froi")
