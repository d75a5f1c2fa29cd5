"""Which volumes are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_deeptaskgen.connectome.censoring import framewise_displacement, get_fd, sample_mask
from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.confounds import Confounds
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.nuisance_presets import MOTION
from tests.connectome.confounds_tables import N, make_confounds


def test_displacement_of_a_turn_is_its_arc_on_the_sphere():
    motion = np.zeros((3, 6))
    motion[1:, 0], motion[2, 3] = 0.5, 0.01
    np.testing.assert_allclose(framewise_displacement(motion), [0, 0.5, 0.5])
    with pytest.raises(ValueError, match="six|6"):
        framewise_displacement(motion[:, :5])


def test_displacement_comes_from_the_column_or_the_motion_parameters():
    confounds = make_confounds()
    table = confounds.table
    np.testing.assert_array_equal(get_fd(confounds)[1:], table["framewise_displacement"][1:])
    motion = table[list(MOTION)].to_numpy()
    table["framewise_displacement"] = np.nan
    np.testing.assert_allclose(get_fd(confounds), framewise_displacement(motion))
    assert get_fd(Confounds(table[["framewise_displacement"]])) is None
    assert get_fd(None) is None


def test_marked_dummies_are_left_out_unless_a_number_is_given():
    confounds = make_confounds(dummies=3)
    assert sample_mask(N, confounds, Cleaning())[0] == 3
    assert sample_mask(N, confounds, Cleaning(dummy_scans=0))[0] == 0
    assert sample_mask(N, None, Cleaning(dummy_scans=7)).tolist() == list(range(7, N))


@given(st.floats(0.05, 3))
def test_no_volume_over_the_threshold_is_kept_and_none_under_it_is_lost(threshold):
    confounds = make_confounds(dummies=0)
    kept_volumes = sample_mask(N, confounds, Cleaning(fd_threshold=threshold))
    fd = confounds.table["framewise_displacement"].fillna(0)
    np.testing.assert_array_equal(kept_volumes, np.flatnonzero(fd <= threshold))


def test_volumes_that_were_interpolated_are_never_kept():
    outliers = np.arange(N) % 7 == 0
    kept_volumes = sample_mask(N, make_confounds(dummies=0, outliers=outliers), Cleaning())
    np.testing.assert_array_equal(kept_volumes, np.flatnonzero(~outliers))


def test_a_run_that_is_censored_whole_is_refused():
    confounds = make_confounds()
    confounds.table["framewise_displacement"] = 5.0
    with pytest.raises(InputError, match="2 dummy scans and 98 volumes with FD > 0.2 mm"):
        sample_mask(N, confounds, Cleaning(fd_threshold=0.2))


@pytest.mark.parametrize(
    ("cleaning", "is_outlier", "counts", "advice"),
    [
        (
            Cleaning(dummy_scans=2, fd_threshold=0.1),
            False,
            ["2 dummy", f"{N - 2} volumes with FD"],
            "Increase `fd",
        ),
        (
            Cleaning(dummy_scans=2),
            True,
            ["2 dummy", f"{N - 2} outliers of XCP-D"],
            "Lower `dummy_scans`",
        ),
        (Cleaning(dummy_scans=0), True, ["0 dummy", f"{N} outliers of XCP-D"], "Exclude this run"),
        (Cleaning(dummy_scans=N), False, [f"{N} dummy"], "Lower `dummy_scans`"),
    ],
)
def test_a_run_without_volumes_is_explained_by_what_removed_them(cleaning, is_outlier, counts, advice):
    confounds = make_confounds(outliers=np.full(N, is_outlier))
    confounds.table["framewise_displacement"] = 5.0
    with pytest.raises(InputError) as caught:
        sample_mask(N, confounds, cleaning)
    assert [count for count in counts if count not in str(caught.value)] == []
    assert advice in str(caught.value)


def test_censoring_without_displacement_is_refused():
    with pytest.raises(InputError, match="needs the column framewise_displacement"):
        sample_mask(N, None, Cleaning(fd_threshold=0.2))


def test_displacement_with_holes_comes_from_the_motion_parameters_or_censors_nothing():
    confounds = make_confounds()
    table = confounds.table
    table.loc[7, "framewise_displacement"] = np.nan
    np.testing.assert_allclose(get_fd(confounds), framewise_displacement(table[list(MOTION)].to_numpy()))
    with pytest.raises(InputError, match="without n/a after the first volume"):
        sample_mask(N, Confounds(table[["framewise_displacement"]]), Cleaning(fd_threshold=0.5))
