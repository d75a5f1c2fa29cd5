"""Every option that belongs to the science reaches the maps."""

import json

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.conftest import small_dataset

# Options of the science, each with a value other than the default that these data are not refused for.
CHANGES = {
    "nuisance_regressors": "none",
    "high_pass": 0.02,
    "smoothing": 12.0,
    "custom_confounds": "tables",
    "fd_threshold": 0.25,
    "dummy_scans": 7,
    "n_windows": 2,
    "combine_runs": False,
    "run_id": ("2",),
    "bids_filter_file": "queries",
    "input_mask": "gm",
}
# These decide who is done, not what comes out; that they do is tested beside their sentences.
DEMANDS = {"min_minutes", "min_dof"}
# Another desc- or space- is other files, of which this dataset has none; tested where sources and spaces are.
FILES = {"desc", "allow_template_warp"}
# Most models hold no calibration, and random weights do not stand another arithmetic: test_calibrated.py and
# test_precision.py have what they need.
OF_SOME_MODELS = {"calibrated", "precision"}
N_VOLUMES = 70


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "fmriprep"
    return small_dataset(folder, n_participants=1, n_runs=2, n_volumes=N_VOLUMES, n_dummies=2)


@pytest.fixture(scope="module")
def tables(two_runs, tmp_path_factory):
    """Write custom regressors of both runs: one in the folder of the BOLD, one without folders."""
    folder = tmp_path_factory.mktemp("mine")
    rng = np.random.default_rng(0)
    for number, table in enumerate(sorted(two_runs.glob("sub-*/func/*_desc-confounds_timeseries.tsv"))):
        place = folder / table.parent.relative_to(two_runs) if number else folder
        place.mkdir(parents=True, exist_ok=True)
        np.savetxt(
            place / table.name,
            rng.standard_normal((N_VOLUMES, 12)),
            delimiter="\t",
            header="\t".join("abcdefghijkl"),
            comments="",
        )
    return folder


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    """Write a filter file that selects the second run."""
    path = tmp_path_factory.mktemp("filter") / "queries.json"
    path.write_text(json.dumps({"bold": {"run": 2}}), "utf-8")
    return path


@pytest.fixture(scope="module")
def maps_of(two_runs, model, tmp_path_factory):
    """Compute the maps of the participant with some settings, as one array, and their sidecars."""

    def compute(**changes):
        output = tmp_path_factory.mktemp("maps")
        settings = ParticipantSettings(
            bids_dir=two_runs,
            output_dir=output,
            model=str(model),
            nprocs=1,
            min_minutes=1,
            min_dof=5,
            **changes,
        )
        assert participant.run(settings) == 0
        paths = sorted(output.glob("sub-*/func/*_desc-predicted_statmap.nii.gz"))
        sidecar = paths[0].with_name(paths[0].name.replace(".nii.gz", ".json"))
        return np.stack([nib.load(path).get_fdata() for path in paths]), json.loads(
            sidecar.read_text("utf-8")
        )

    return compute


@pytest.fixture(scope="module")
def usual(maps_of):
    return maps_of()


def test_no_option_of_the_science_is_forgotten_here():
    names = {item.name for item in option_specs(ParticipantSettings) if item.option.affects_output}
    assert names == set(CHANGES) | DEMANDS | FILES | OF_SOME_MODELS


@pytest.mark.parametrize("name", CHANGES)
def test_options_that_affect_maps_change_maps_and_sidecars(maps_of, usual, name, tables, queries):
    expected = CHANGES[name]
    files = {"custom_confounds": tables, "bids_filter_file": queries}
    maps, sidecar = maps_of(**{name: files.get(name, expected)})
    entry = sidecar["DeepTaskGen"]
    initial_state = usual[1]["DeepTaskGen"]
    assert entry["SettingsHash"] != initial_state["SettingsHash"]
    if name == "custom_confounds":
        expected = tables.name
        assert {"custom_a", "custom_b"} <= set(entry["Runs"][0]["regressors"])
    if name == "bids_filter_file":
        expected = {"run": ["2"]}
    assert entry["Settings"][name] == (list(expected) if isinstance(expected, tuple) else expected)
    assert initial_state["Settings"][name] != entry["Settings"][name]
    if name == "combine_runs":
        assert len(maps) == 2 * len(usual[0])
    spread = usual[0][usual[0] != 0].std()
    for map_ in maps:
        difference = min(np.abs(map_ - counterpart).max() for counterpart in usual[0])
        assert difference > 1e-3 * spread


def test_runs_may_be_named_in_any_order_and_spelling(maps_of, usual):
    maps, sidecar = maps_of(run_id=("run-02", "1"))
    np.testing.assert_array_equal(maps, usual[0])
    assert sidecar["DeepTaskGen"]["Settings"]["run_id"] == ["1", "2"]
