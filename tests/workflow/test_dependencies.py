"""The dependencies of nodes have the sums that scipy computes, also after nipype's changes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import lil_matrix

from bids_deeptaskgen.workflow.multiproc import Dependencies


@given(n_nodes=st.integers(1, 12), share=st.sampled_from([0.0, 0.1, 0.5]), seed=st.integers(0, 99))
def test_sums_are_those_of_scipy_before_and_after_a_node_is_done(n_nodes, share, seed):
    rng = np.random.default_rng(seed)
    original = lil_matrix((rng.random((n_nodes, n_nodes)) < share).astype(int))
    dependencies = Dependencies(original.copy())
    for matrix in (original, dependencies):
        # As nipype removes the dependencies on a node.
        row = matrix.getrowview(n_nodes // 2)
        row[row.nonzero()] = 0
    for axis in (0, 1):
        expected, result = original.sum(axis=axis), dependencies.sum(axis=axis)
        assert result.shape == expected.shape
        assert result.tolist() == expected.tolist()
    assert dependencies.sum() == original.sum()
