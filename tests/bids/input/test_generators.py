"""The releases that wrote a dataset: every entry of its description, and of the linked datasets."""

import pytest

from bids_deeptaskgen.bids.input.derivatives import read_description
from bids_deeptaskgen.bids.input.generators import dataset_releases, input_releases
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.sources import locate
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from tests.bids.trees import describe, run, touch

FMRIPREP = {"Name": "fMRIPrep", "Version": "20.2.1"}
XCP_D = {"Name": "xcp_d", "Version": "0.7.2"}
AROMA = {"Name": "fMRIPost-AROMA", "Version": "0.0.9"}


def titles(releases):
    return [release.title for release in releases]


def dataset(root, *extra_roots):
    return InputDataset("fmriprep", root, "fmriprep", extra_roots, description=read_description(root))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"GeneratedBy": [XCP_D, FMRIPREP]}, ["xcp_d 0.7.2", "fMRIPrep 20.2.1"]),
        ({"GeneratedBy": FMRIPREP}, ["fMRIPrep 20.2.1"]),
        ({"PipelineDescription": FMRIPREP}, ["fMRIPrep 20.2.1"]),
        ({"GeneratedBy": [], "PipelineDescription": FMRIPREP}, ["fMRIPrep 20.2.1"]),
        ({"GeneratedBy": [{"Name": "fMRIPrep"}]}, ["fMRIPrep"]),
        ({"GeneratedBy": [{"Name": "fMRIPrep", "Version": None}]}, ["fMRIPrep"]),
        ({"GeneratedBy": [{"Name": "HALFpipe", "Version": 1.3}]}, ["HALFpipe 1.3"]),
        (
            {"GeneratedBy": [FMRIPREP, FMRIPREP, {"Name": "FMRIPREP", "Version": "20.2.1"}]},
            ["fMRIPrep 20.2.1"],
        ),
        ({"GeneratedBy": [{"Version": "20.2.1"}, "fMRIPrep", 3]}, []),
        ({"GeneratedBy": "fMRIPrep"}, []),
        ({"DatasetType": "derivative"}, []),
    ],
)
def test_every_entry_of_every_form_is_a_release(tmp_path, fields, expected):
    folder = describe(tmp_path, **fields)
    assert titles(input_releases(dataset(folder))) == expected
    assert titles(dataset_releases(folder)) == expected


@pytest.mark.parametrize("form", ["absolute", "uri", "relative", "SourceDatasets"])
def test_linked_datasets_are_followed(tmp_path, form):
    fmriprep = describe(tmp_path / "fmri prep", GeneratedBy=[FMRIPREP])
    address = {
        "absolute": str(fmriprep),
        "uri": fmriprep.as_uri(),
        "relative": "../fmri prep",
        "SourceDatasets": fmriprep.as_uri(),
    }[form]
    links = (
        {"SourceDatasets": [{"URL": address}]}
        if form == "SourceDatasets"
        else {"DatasetLinks": {"preprocessed": address}}
    )
    xcp_d = describe(tmp_path / "xcp_d", GeneratedBy=[XCP_D], **links)
    releases = input_releases(dataset(xcp_d))
    assert titles(releases) == ["xcp_d 0.7.2", "fMRIPrep 20.2.1"]
    assert releases[1].root.samefile(fmriprep)


def test_links_that_lead_in_a_circle_or_nowhere_are_harmless(tmp_path):
    first = describe(
        tmp_path / "a", GeneratedBy=[XCP_D], DatasetLinks={"b": "../b", "a": ".", "raw": "/no/such"}
    )
    describe(tmp_path / "b", GeneratedBy=[FMRIPREP], DatasetLinks={"a": "../a"})
    assert titles(input_releases(dataset(first))) == ["xcp_d 0.7.2", "fMRIPrep 20.2.1"]


@pytest.mark.parametrize(
    "links",
    [
        {"DatasetLinks": "../b"},
        {"DatasetLinks": {"a": None, "b": 3, "c": "", "d": "bids::x", "e": "https://openneuro.org/ds1"}},
        {"DatasetLinks": {"a": "http://[broken", "b": "nul\0l", "c": "doi:10.1/2", "d": "s3://bucket/x"}},
        {"SourceDatasets": {"URL": "../b"}},
        {"SourceDatasets": ["../b", {"DOI": "10.1/2"}]},
    ],
)
def test_links_of_other_forms_are_passed_over(tmp_path, links):
    describe(tmp_path / "b", GeneratedBy=[FMRIPREP])
    folder = describe(tmp_path / "a", GeneratedBy=[XCP_D], **links)
    assert titles(input_releases(dataset(folder))) == ["xcp_d 0.7.2"]


def test_extra_datasets_count_as_input(tmp_path):
    xcp_d = describe(tmp_path / "xcp_d", GeneratedBy=[XCP_D])
    fmriprep = describe(tmp_path / "fmriprep", GeneratedBy=[FMRIPREP])
    aroma = describe(tmp_path / "aroma", GeneratedBy=[AROMA, FMRIPREP])
    releases = input_releases(dataset(xcp_d, ("fmriprep", fmriprep), ("aroma", aroma)))
    assert titles(releases) == ["xcp_d 0.7.2", "fMRIPrep 20.2.1", "fMRIPost-AROMA 0.0.9"]


def test_datasets_of_the_option_d_count_as_input(tmp_path):
    xcp_d = describe(tmp_path / "out1", DatasetType="derivative", GeneratedBy=[XCP_D])
    fmriprep = describe(tmp_path / "out2", DatasetType="derivative", GeneratedBy=[FMRIPREP])
    for root in (xcp_d, fmriprep):
        run(root, "01")
    located = locate(tmp_path, (("xcp_d", xcp_d), ("fmriprep", fmriprep)), desc="denoised")
    assert titles(input_releases(located)) == ["xcp_d 0.7.2", "fMRIPrep 20.2.1"]


def test_the_dataset_of_a_single_image_is_found_above_it(tmp_path):
    fmriprep = describe(tmp_path / "fmriprep", GeneratedBy=[FMRIPREP])
    bold = touch(fmriprep / "sub-01" / "ses-1" / "func" / "sub-01_ses-1_task-rest_bold.nii.gz")
    session = SessionInputs(subject="01", session="1", runs=(RunInputs(bold, None, None, 2.0),))
    located = InputDataset("files", bold.parent, "input", session=session)
    (release,) = input_releases(located)
    assert (release.title, release.root) == ("fMRIPrep 20.2.1", fmriprep)


def test_a_raw_dataset_has_the_releases_of_its_derivatives(tmp_path):
    raw = describe(tmp_path, DatasetType="raw", GeneratedBy=[{"Name": "heudiconv", "Version": "1.0"}])
    describe(tmp_path / "derivatives" / "fmriprep", GeneratedBy=[FMRIPREP])
    describe(tmp_path / "derivatives" / "xcp_d", GeneratedBy=[XCP_D, FMRIPREP])
    touch(tmp_path / "derivatives" / "README")
    assert titles(dataset_releases(raw)) == ["heudiconv 1.0", "fMRIPrep 20.2.1", "xcp_d 0.7.2"]
