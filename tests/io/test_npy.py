import numpy as np
import pytest

from bids_deeptaskgen.io.npy import save_stack


def test_a_stack_is_an_array_of_its_entries_and_sums(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(3, 4)).astype(np.float32) for _ in range(6)]
    additions = [(1, arrays[2]), (0, arrays[3]), (0, arrays[4]), (1, arrays[5])]
    path = tmp_path / "stack.npy"
    save_stack(path, arrays[:2], 2, iter(additions))
    saved = np.load(path, mmap_mode="r")
    assert saved.dtype == np.float32
    expected = [*arrays[:2], arrays[3] + arrays[4], arrays[2] + arrays[5]]
    np.testing.assert_array_equal(saved, expected)


def test_entries_alone_are_saved_as_numpy_saves_them(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    save_stack(tmp_path / "stack.npy", array)
    np.save(tmp_path / "expected.npy", array)
    assert (tmp_path / "stack.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()


def test_a_sum_without_additions_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="1 of 2 sums have no additions"):
        save_stack(tmp_path / "stack.npy", [np.zeros(3)], 2, [(0, np.ones(3))])
    assert not list(tmp_path.iterdir())
