"""The list of known faults: its form, its ranges, and which spellings of a release it matches."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bids_deeptaskgen.bids.input import known_faults
from bids_deeptaskgen.bids.input.generators import Release
from bids_deeptaskgen.bids.input.known_faults import (
    describe_known_faults,
    find_known_faults,
    find_unknown_versions,
    is_affected,
    list_coverage,
    list_known_faults,
    parse_release,
)
from bids_deeptaskgen.data import DATA_DIR

FAULTS = {fault.id: fault for fault in list_known_faults()}
TABLE = json.loads((DATA_DIR / "known_faults.json").read_text("utf-8"))
KEYS = {"id", "pipeline", "versions", "affected", "fault", "consequence", "action", "sources"}

# For each fault: releases that have it, and the nearest releases that do not.
VERSIONS = {
    "fmriprep-phase-difference-orientation": ("1.0.6-1 1.3.1.post4 1.5.9 20.0.5 20.1.0rc2", "1.5.10 20.0.6"),
    "fmriprep-slice-encoding-direction": ("1.0.0 1.2.1", "1.2.2 1.2.6-1"),
    "fmriprep-multi-echo-double-motion-correction": ("1.2.4 20.1.4", "20.2.0"),
    "fmriprep-high-resolution-coregistration": ("20.2.6", "20.2.7 21.0.0"),
    "fmriprep-standard-space-orientation": ("20.1.0 20.1.3 20.2.0 20.2.1", "20.0.7 20.1.4 20.2.2"),
    "fmriprep-multi-echo-double-unwarping": ("21.0.0 21.0.1", "20.2.7 21.0.2"),
    "fmriprep-oblique-field-maps": ("21.0.4 22.1.0", "20.2.8 22.1.1"),
    "fmriprep-field-map-orientation": ("21.0.0 23.0.1", "20.2.8 23.0.2"),
    "fmriprep-distorting-correction": ("21.0.0 23.1.4", "20.2.8 23.2.0"),
    "fmriprep-inverted-template-masks": ("23.2.0", "23.1.4 23.2.1"),
    "fmriprep-header-repetition-time": ("23.2.0", "23.1.4 23.2.1"),
    "fmriprep-edge-signal-loss": ("23.2.0 25.0.0", "23.1.4 25.1.0"),
    "fmriprep-field-map-intensities": ("23.2.0 24.1.1", "23.1.4 25.0.0"),
    "fmriprep-edge-extrapolation": ("25.1.0 25.1.4", "25.0.0 25.2.0"),
    "xcp-d-interpolated-volumes": ("0.0.1 0.3.2", "0.4.0"),
    "xcp-d-filter-after-regression": ("0.0.1 0.6.3", "0.6.4"),
    "xcp-d-spline-interpolation": ("0.4.0 0.5.2", "0.3.2 0.6.0"),
    "xcp-d-header-repetition-time": ("0.5.0 0.6.0", "0.6.1"),
    "xcp-d-band-pass": ("0.7.1 0.7.2 0.7.3", "0.7.0 0.7.4"),
    "xcp-d-motion-filter-order": ("0.9.1", "0.10.0"),
    "xcp-d-acompcor-components": ("0.10.0 0.11.1", "0.9.1 0.12.0"),
    "xcp-d-integer-images": ("0.14.0 0.14.1 26.0.0", "0.13.0 26.0.1"),
    "fmripost-aroma-header-repetition-time": ("0.0.11", "0.0.12"),
    "nibabies-standard-space-orientation": ("0.1.2", "21.0.0"),
    "nibabies-edge-signal-loss": ("24.0.0 25.1.2", "23.1.0 25.2.0"),
    "halfpipe-normalization": ("1.1.1", "1.2.0"),
    "halfpipe-coregistration": ("1.2.1", "1.2.2"),
    "halfpipe-dummy-scans": ("1.2.2", "1.1.1 1.2.3"),
    "halfpipe-edge-extrapolation": ("1.3.0 1.3.1", "1.2.3 1.3.2"),
}


def release(name, version):
    return Release(name, version, Path("/data/fmriprep"))


def ids_of(name, version):
    return [item.fault.id for item in find_known_faults([release(name, version)])]


@pytest.mark.parametrize("entry", TABLE["faults"], ids=lambda entry: entry["id"])
def test_each_fault_says_what_is_wrong_what_it_means_what_to_do_and_where_that_is_written(entry):
    assert set(entry) == KEYS
    assert entry["pipeline"] in TABLE["pipelines"]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", entry["id"])
    assert all(SpecifierSet(text) for text in entry["versions"])
    assert entry["versions"]
    assert entry["sources"]
    assert all(source.startswith("https://github.com/") for source in entry["sources"])
    assert not entry["affected"].endswith(".")
    for key in ("fault", "consequence", "action"):
        assert entry[key].endswith("."), key


def test_the_ids_differ():
    assert len(FAULTS) == len(TABLE["faults"])


def test_each_fault_is_tried_inside_and_outside_its_range():
    assert set(VERSIONS) == set(FAULTS)


@pytest.mark.parametrize("fault_id", VERSIONS)
def test_a_fault_concerns_the_releases_of_its_range_and_no_neighbours(fault_id):
    affected, others = (versions.split() for versions in VERSIONS[fault_id])
    fault = FAULTS[fault_id]
    assert [version for version in affected if not fault.concerns(version)] == []
    assert [version for version in others if fault.concerns(version)] == []


def test_the_last_release_of_each_pipeline_has_no_known_fault():
    assert {name: ids_of(name, version) for name, version in list_coverage().items()} == {
        name: [] for name in list_coverage()
    }


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_release_that_is_recommended_has_no_known_fault(fault):
    recommended = re.findall(r"re-run (\S+) with release (\S+) or later", fault.action, re.IGNORECASE)
    assert recommended or fault.action == "Keep the JSON files beside the images."
    assert [ids_of(name, version) for name, version in recommended] == [[] for _ in recommended]


@pytest.mark.parametrize(
    "version",
    [
        "20.2.1",
        "v20.2.1",
        "V20.2.1",
        "20.2.1rc1",
        "20.2.1.dev3",
        "20.2.1+0.g123.dirty",
        "20.2.1.post1",
        "20.2.0rc1",
        "20.2.0a2.dev15+gabc",
    ],
)
@pytest.mark.parametrize("name", ["fMRIPrep", "fmriprep", "FMRIPREP", "fMRI-Prep"])
def test_pre_releases_builds_and_other_spellings_match_as_their_release(name, version):
    assert "fmriprep-standard-space-orientation" in ids_of(name, version)


@pytest.mark.parametrize("version", ["23.2.0", "23.2.0rc1", "23.2.0.dev0", "23.2.0+0.gabc.dirty"])
def test_a_range_of_one_release_holds_its_pre_releases_and_builds(version):
    assert "fmriprep-inverted-template-masks" in ids_of("fMRIPrep", version)


@pytest.mark.parametrize("version", ["20.2.2", "20.2.2rc1", "20.2.2+1.gabc", "v20.2.2"])
def test_pre_releases_of_the_first_sound_release_count_as_sound(version):
    assert "fmriprep-standard-space-orientation" not in ids_of("fMRIPrep", version)


@pytest.mark.parametrize("name", ["XCP-D", "xcp_d", "xcp-d", "XCP_D", "xcpd"])
def test_each_spelling_of_xcp_d_is_the_same_pipeline(name):
    assert ids_of(name, "v0.7.2") == ["xcp-d-band-pass", "xcp-d-motion-filter-order"]


@pytest.mark.parametrize("name", ["MRIQC", "heudiconv", "fMRIPrep-rodents", "xcpEngine", ""])
def test_other_pipelines_have_no_known_fault(name):
    assert ids_of(name, "0.7.2") == []
    assert find_unknown_versions([release(name, "")]) == ()


@pytest.mark.parametrize("version", ["", "unknown", "latest", "0+unknown", "0.0.0", "20.2.x", "<unknown>"])
def test_a_version_that_is_no_release_matches_nothing_and_is_named(version):
    releases = [release("fMRIPrep", version)]
    assert find_known_faults(releases) == ()
    assert find_unknown_versions(releases) == tuple(releases)
    text = describe_known_faults((), releases)
    assert text.startswith(
        "Known faults of fMRIPrep cannot be looked up: /data/fmriprep/dataset_description.json has "
    )
    assert (repr(version) if version else "no version") in text


def test_the_warning_names_dataset_release_fault_consequence_and_action():
    (item,) = find_known_faults([release("fmriprep", "25.1.0")])
    fault = FAULTS["fmriprep-edge-extrapolation"]
    assert item.warning.startswith("/data/fmriprep: fmriprep 25.1.0 has a known fault (fmriprep-edge-extrap")
    for text in (fault.fault, fault.affected, fault.consequence, fault.action):
        assert text in item.warning
    assert describe_known_faults([item], ()).count("\n") == 0


@given(st.from_regex(r"v?(19|20|21)(\.[0-3]){0,3}((a|b|rc)[0-9])?(\.dev[0-9])?", fullmatch=True))
def test_a_version_matches_if_its_release_number_is_between_the_bounds(version):
    parsed = Version(version)
    expected = (20, 1) <= parsed.release < (20, 2, 2) and any(parsed.release)
    assert is_affected(Version(version).base_version, [">=20.1,<20.2.2"]) == expected
    assert is_affected(version, [">=20.1,<20.2.2"]) == expected


@given(st.text(max_size=12))
def test_no_text_breaks_the_match(version):
    assert parse_release(version) is None or any(parse_release(version).release)
    assert isinstance(find_known_faults([release("fMRIPrep", version)]), tuple)


def test_no_other_module_reads_the_list():
    package = Path(known_faults.__file__).parents[2]
    readers = [path.name for path in package.rglob("*.py") if "known_faults.json" in path.read_text("utf-8")]
    assert readers == ["known_faults.py"]
