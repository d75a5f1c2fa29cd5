"""Laws of parts that are computed side by side."""

import threading

import pytest
import torch

from bids_deeptaskgen.nn.cpu.parallel import in_parts


@pytest.fixture(params=[1, 2, 3])
def n_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_each_row_is_computed_once_by_one_thread_of_torch(n_threads):
    times, seen = torch.zeros(1003), set()

    def compute(part):
        seen.add(torch.get_num_threads())
        times[part] += 1

    in_parts(1003, 10, compute)
    assert bool((times == 1).all())
    assert seen == {1}


def test_torch_has_as_many_threads_afterwards_as_before_here_and_in_new_threads(n_threads):
    in_parts(100, 10, lambda part: None)
    there = []
    thread = threading.Thread(target=lambda: there.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert [torch.get_num_threads(), *there] == [n_threads, n_threads]


def test_a_fault_of_a_part_is_raised(n_threads):
    def compute(part):
        if part.start == 50:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_parts(100, 10, compute)
    assert torch.get_num_threads() == n_threads
