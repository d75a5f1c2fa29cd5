"""Search spaces: chosen regions of an atlas of labels."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from bids_deeptaskgen.cohort_store.atlases.atlas import Atlas
from bids_deeptaskgen.cohort_store.regions.search_space import make_search_space
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID

MASK = np.zeros(OUTPUT_GRID.shape, bool)
MASK[40:50, 50, 30] = True


def atlas(rows=((2, 3, 1), (7,), ()), *, is_probabilistic=False):
    """Return an atlas whose regions have these voxels of the mask."""
    weights = np.zeros((len(rows), 10))
    for row, voxels in enumerate(rows):
        weights[row, list(voxels)] = 1
    names = ("Frontal pole left", "Insula left", "Brain stem")
    return Atlas(
        "test", "test.nii.gz", "0", (4, 9, 12), names, csr_array(weights), weights.sum(1), is_probabilistic
    )


def test_regions_have_their_voxels_and_positions():
    space = make_search_space(atlas(), MASK)
    assert (space.numbers, space.names[1]) == ((4, 9, 12), "Insula left")
    assert [space.voxels[region].tolist() for region in space.regions] == [[1, 2, 3], [7], []]
    assert space.member_numbers.tolist() == [4, 4, 4, 9]
    assert space.positions_mm[0].tolist() == [41 * 2 - 90, 50 * 2 - 126, 30 * 2 - 72]


@pytest.mark.parametrize(
    ("labels", "numbers"), [(("9",), (9,)), (("insula LEFT", "4"), (4, 9)), (("9", "9"), (9,))]
)
def test_labels_choose_regions_by_number_or_name(labels, numbers):
    space = make_search_space(atlas(), MASK, labels)
    assert space.numbers == numbers
    assert len(space.voxels) == sum({4: 3, 9: 1}[number] for number in numbers)


def test_unknown_labels_are_refused_with_the_closest_names():
    with pytest.raises(UserError, match=r"`froi_labels`: insola left, 5: .*nearest: Insula left"):
        make_search_space(atlas(), MASK, ("insola left", "5", "4"))


def test_probabilities_are_refused():
    with pytest.raises(UserError, match="has probabilities"):
        make_search_space(atlas(is_probabilistic=True), MASK)


def test_regions_without_any_voxel_of_the_maps_are_refused():
    with pytest.raises(UserError, match=r"no region .* has a voxel .*Brain stem"):
        make_search_space(atlas(), MASK, ("12",))
