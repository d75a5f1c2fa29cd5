import numpy as np
import pytest

from bids_deeptaskgen.io.npy import Stack, save_stack


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


def test_entries_are_read_one_at_a_time_from_a_file(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    np.save(tmp_path / "stack.npy", array)
    stack = Stack(tmp_path / "stack.npy", 3)
    assert (len(stack), stack.shape) == (3, (3, 3, 2))
    entries = list(stack)
    np.testing.assert_array_equal(entries, array[:3])
    assert not any(isinstance(entry, np.memmap) for entry in entries)


def test_a_truncated_file_of_entries_is_refused(tmp_path):
    path = tmp_path / "stack.npy"
    np.save(path, np.zeros((4, 3)))
    stack = Stack(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="truncated"):
        list(stack)
