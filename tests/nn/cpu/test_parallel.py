"""Parallel computation of parts."""

import threading

import pytest
import torch

from bids_deeptaskgen.nn.cpu.parallel import compute_in_parts


@pytest.fixture(params=[1, 2, 3])
def n_threads(request):
    original = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(original)


def test_each_row_is_computed_once_with_a_single_torch_thread(n_threads):
    counts, thread_numbers = torch.zeros(1003), set()

    def compute(part):
        thread_numbers.add(torch.get_num_threads())
        counts[part] += 1

    compute_in_parts(1003, 10, compute)
    assert bool((counts == 1).all())
    assert thread_numbers == {1}


def test_the_number_of_torch_threads_is_restored_also_for_new_threads(n_threads):
    compute_in_parts(100, 10, lambda part: None)
    in_thread = []
    thread = threading.Thread(target=lambda: in_thread.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert [torch.get_num_threads(), *in_thread] == [n_threads, n_threads]


def test_an_error_in_a_part_is_raised(n_threads):
    def compute(part):
        if part.start == 50:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compute_in_parts(100, 10, compute)
    assert torch.get_num_threads() == n_threads
