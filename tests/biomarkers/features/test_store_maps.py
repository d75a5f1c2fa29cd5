"""Laws of the maps of a cohort store as features."""

from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.store_maps import open_store_maps
from bids_deeptaskgen.cohort_store.store.layout import shard_path
from bids_deeptaskgen.errors import InputError, UserError
from tests.biomarkers.features.stores import (
    N_PARTICIPANTS,
    draw_maps,
    make_rows,
    products,
    source_of,
    write_store,
)
from tests.cohort_store.store.outputs import CONTRASTS, N_VOXELS


def read(path, *parts, labels=None, is_published=False, selection=None, **options):
    reader = open_store_maps(source_of(path, *parts), selection or Selection(), **options)
    return reader.read(labels or reader.participants, is_published=is_published)


def test_maps_of_a_store_are_predicted(tmp_path):
    path = write_store(tmp_path / "store", make_rows(), draw_maps(N_PARTICIPANTS))
    assert open_store_maps(source_of(path), Selection()).is_predicted


@pytest.mark.parametrize("max_bytes", [1, 4 * N_VOXELS * 20, 10**9])
def test_a_kernel_is_that_of_the_maps_of_a_contrast(tmp_path, max_bytes):
    maps = draw_maps(N_PARTICIPANTS)
    path = write_store(tmp_path / "store", make_rows(), maps)
    features = read(path, "motorLh", max_bytes=max_bytes)
    kernel, scale = products(maps[:, CONTRASTS.index("motorLh")])
    np.testing.assert_allclose(features.kernel, kernel / scale, atol=1e-5)
    assert features.scale == pytest.approx(scale, rel=1e-5)
    assert features.participants == tuple(f"{number:02d}" for number in range(1, N_PARTICIPANTS + 1))
    assert features.n_features == N_VOXELS
    assert features.unscaled_kernel is None
    matrix, factor = features.unscaled
    np.testing.assert_allclose(factor * matrix, kernel, atol=1e-3)


def test_all_contrasts_are_summed_with_one_scale_each(tmp_path):
    maps = draw_maps(N_PARTICIPANTS)
    maps[:, 1] *= 50
    path = write_store(tmp_path / "store", make_rows(), maps)
    features = read(path, is_published=True)
    pairs = [products(maps[:, contrast]) for contrast in range(len(CONTRASTS))]
    np.testing.assert_allclose(features.kernel, sum(kernel / scale for kernel, scale in pairs), atol=1e-5)
    matrix, factor = features.unscaled
    np.testing.assert_allclose(factor * matrix, sum(kernel for kernel, _ in pairs), rtol=1e-4, atol=0.1)
    assert features.n_features == 2 * N_VOXELS
    scaled = read(path)
    assert scaled.unscaled_kernel is None
    with pytest.raises(ValueError, match="computed for scaled maps only"):
        scaled.unscaled  # noqa: B018
    np.testing.assert_allclose(read(path, *reversed(CONTRASTS)).kernel, features.kernel, atol=1e-6)


def test_participants_are_in_the_order_of_the_request_and_others_are_not_read(tmp_path):
    maps = draw_maps(N_PARTICIPANTS)
    path = write_store(tmp_path / "store", make_rows(), maps)
    features = read(path, "wm2bk", labels=["06", "01", "03", "04"])
    kernel, scale = products(maps[[5, 0, 2, 3], 0])
    np.testing.assert_allclose(features.kernel, kernel / scale, atol=1e-5)
    assert features.participants == ("06", "01", "03", "04")


def test_sessions_are_averaged_before_products(tmp_path):
    rows = make_rows(sessions=("ses-1", "ses-2"))
    maps = draw_maps(len(rows))
    path = write_store(tmp_path / "store", rows, maps)
    means = maps.reshape(N_PARTICIPANTS, 2, 2, N_VOXELS).mean(axis=1)
    kernel, scale = products(means[:, 0])
    reader = open_store_maps(source_of(path, "wm2bk"), Selection())
    np.testing.assert_allclose(reader.read(reader.participants).kernel, kernel / scale, atol=1e-5)
    assert "7 participants of 7 have several sessions or runs (up to 2)" in reader.notes[0]


def test_runs_are_averaged_before_sessions(tmp_path):
    rows = make_rows(sessions=("ses-1",), runs=("run-1", "run-2", "run-3"))
    rows += make_rows(sessions=("ses-2",), runs=("run-1",))
    maps = draw_maps(len(rows))
    path = write_store(tmp_path / "store", rows, maps)
    of_first = maps[: 3 * N_PARTICIPANTS, 0].reshape(N_PARTICIPANTS, 3, N_VOXELS).mean(axis=1)
    kernel, scale = products((of_first + maps[3 * N_PARTICIPANTS :, 0]) / 2)
    np.testing.assert_allclose(read(path, "wm2bk").kernel, kernel / scale, atol=1e-5)


def test_one_session_is_used_if_it_is_requested(tmp_path):
    rows = make_rows(sessions=("ses-01", "ses-02"))
    rows = [row for row in rows if (row["participant_id"], row["session_id"]) != ("sub-03", "ses-02")]
    maps = draw_maps(len(rows))
    path = write_store(tmp_path / "store", rows, maps)
    reader = open_store_maps(source_of(path, "wm2bk"), Selection(session="2"))
    kernel, scale = products(maps[[row["session_id"] == "ses-02" for row in rows], 0])
    np.testing.assert_allclose(reader.read(reader.participants).kernel, kernel / scale, atol=1e-5)
    assert reader.reasons == {"03": "no session 2"}
    assert not reader.notes


def test_a_session_does_not_matter_to_a_store_without_sessions(tmp_path):
    path = write_store(tmp_path / "store", make_rows(), draw_maps(N_PARTICIPANTS))
    reader = open_store_maps(source_of(path), Selection(session="2"))
    assert len(reader.participants) == N_PARTICIPANTS
    assert "has no sessions" in reader.notes[0]


def test_a_participant_without_a_map_is_left_out_with_the_reason(tmp_path):
    maps = draw_maps(N_PARTICIPANTS)
    maps[2, 1] = np.nan
    path = write_store(tmp_path / "store", make_rows(), maps)
    reader = open_store_maps(source_of(path), Selection())
    assert reader.reasons == {"03": "no map of motorLh"}
    assert "03" not in reader.participants
    assert "03" in open_store_maps(source_of(path, "wm2bk"), Selection()).participants


def test_a_session_without_a_map_does_not_exclude_its_participant(tmp_path):
    rows = make_rows(sessions=("ses-1", "ses-2"))
    maps = draw_maps(len(rows))
    maps[3, 0] = np.nan
    path = write_store(tmp_path / "store", rows, maps)
    means = np.nanmean(maps[:, 0].reshape(N_PARTICIPANTS, 2, N_VOXELS), axis=1)
    np.testing.assert_array_equal(means[1], maps[2, 0])
    kernel, scale = products(means)
    np.testing.assert_allclose(read(path, "wm2bk").kernel, kernel / scale, atol=1e-5)


def test_voxels_without_value_have_the_mean_of_the_participants(tmp_path):
    maps = draw_maps(N_PARTICIPANTS)
    maps[1, 0, 5:9] = np.nan
    path = write_store(tmp_path / "store", make_rows(), maps)
    kernel, scale = products(maps[:, 0])
    np.testing.assert_allclose(read(path, "wm2bk").kernel, kernel / scale, atol=1e-5)


def test_float16_changes_a_kernel_by_rounding_only(tmp_path):
    maps = draw_maps(N_PARTICIPANTS)
    kernels = [
        read(write_store(tmp_path / precision, make_rows(), maps, precision=precision)).kernel
        for precision in ("float32", "float16")
    ]
    np.testing.assert_allclose(*kernels, atol=0.01)
    assert not np.array_equal(*kernels)


def test_participants_are_selected_in_any_spelling(tmp_path):
    path = write_store(tmp_path / "store", make_rows(), draw_maps(N_PARTICIPANTS))
    selection = Selection(participants=["1", "02", "0005"], exclude=["2", "99"])
    assert open_store_maps(source_of(path), selection).participants == ("01", "05")
    with pytest.raises(UserError, match="`participant_label` and `exclude_participant_label` leave none"):
        open_store_maps(source_of(path), Selection(participants=["9"]))


def test_a_contrast_that_the_store_lacks_is_refused_with_the_closest(tmp_path):
    path = write_store(tmp_path / "store", make_rows(), draw_maps(N_PARTICIPANTS))
    with pytest.raises(UserError, match="has no contrast wm3bk. The closest names are wm2bk"):
        open_store_maps(source_of(path, "wm3bk"), Selection())
    assert open_store_maps(source_of(path, "WM2BK"), Selection()).sessions.keys() == {"wm2bk"}


def test_maps_that_do_not_differ_are_refused(tmp_path):
    maps = draw_maps(N_PARTICIPANTS)
    maps[:, 0] = maps[0, 0]
    path = write_store(tmp_path / "store", make_rows(), maps)
    with pytest.raises(InputError, match="the maps of wm2bk .* are the same for all 7 participants"):
        read(path)


def damage_shard(path):
    shard = shard_path(path, "maps", 1)
    content = bytearray(shard.read_bytes())
    content[20] ^= 1
    shard.write_bytes(content)


def remove_shard(path):
    shard_path(path, "maps", 1).unlink()


def test_damaged_bytes_and_incomplete_stores_are_refused(tmp_path):
    path = write_store(tmp_path / "store", make_rows(), draw_maps(N_PARTICIPANTS))
    reader = open_store_maps(source_of(path), Selection())
    damage_shard(path)
    with pytest.raises(InputError, match=r"some bytes of maps are damaged(?s:.*)store check"):
        reader.read(reader.participants)
    reader.read(["01", "02", "05"])
    remove_shard(path)
    with pytest.raises(InputError, match="cannot be read: shard 1"):
        open_store_maps(source_of(path), Selection())
    with pytest.raises(UserError, match="does not exist"):
        open_store_maps(source_of(Path("/nowhere")), Selection())
