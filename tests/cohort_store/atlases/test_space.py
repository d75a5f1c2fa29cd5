"""Atlases in another space are refused, by their name or by their field of view."""

from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.cohort_store.atlases.space import check_space
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import FULL_MODEL_GRID, MODEL_GRID, OUTPUT_GRID, Grid


def grid(shape, size, origin):
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = origin
    return Grid.from_image(shape, affine)


FSL_1MM = Grid.from_image(
    (182, 218, 182), np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
)
FSL_3MM = grid((61, 73, 61), 3.0, (-90, -126, -72))
# TemplateFlow's tpl-MNI152NLin2009cAsym_res-01 and res-02, and SPM's field of view.
OTHER_1MM = grid((193, 229, 193), 1.0, (-96, -132, -78))
OTHER_2MM = grid((97, 115, 97), 2.0, (-96, -132, -78))
OTHER_4MM = grid((50, 59, 50), 4.0, (-96, -132, -78))
SPM_2MM = grid((79, 95, 79), 2.0, (-78, -112, -70))


@pytest.mark.parametrize("field_of_view", [OUTPUT_GRID, FULL_MODEL_GRID, FSL_1MM, FSL_3MM])
@pytest.mark.parametrize("name", ["atlas.nii.gz", "atlas-A_space-MNI152NLin6_dseg.nii.gz"])
def test_the_field_of_view_of_fsl_is_that_of_the_maps(field_of_view, name):
    check_space(Path(name), field_of_view, "atlas")


@pytest.mark.parametrize("field_of_view", [OTHER_1MM, OTHER_2MM, OTHER_4MM, SPM_2MM, MODEL_GRID])
@pytest.mark.parametrize("name", ["atlas.nii.gz", "atlas-A_space-MNI152NLin6_dseg.nii.gz"])
def test_another_field_of_view_is_refused_unless_the_name_states_the_space(field_of_view, name):
    with pytest.raises(InputError, match="field of view is not that of MNI152NLin6Asym") as error:
        check_space(Path(name), field_of_view, "froi")
    assert "Give `froi` an atlas" in str(error.value)
    assert "add `space-MNI152NLin6Asym_` to the name" in str(error.value)
    for stated in ("space-MNI152NLin6Asym", "tpl-MNI152NLin6Asym", "space-MNI152NLin6ASym"):
        check_space(Path(f"{stated}_{name.replace('space-MNI152NLin6_', '')}"), field_of_view, "froi")


@pytest.mark.parametrize(
    "name",
    [
        "tpl-MNI152NLin2009cAsym_res-02_atlas-A_dseg.nii.gz",
        "atlas-A_space-MNI152NLin2009cAsym_dseg.nii.gz",
        "tpl-MNI152NLin6Asym_atlas-A_space-MNI152NLin2009cAsym_dseg.nii.gz",
        "space-MNI152NLin6Sym_dseg.nii.gz",
        "space-MNI_dseg.nii.gz",
        "Schaefer_space-MNI152NLin2009cAsym.nii.gz",
        "AAL3_tpl-MNI152NLin2009cAsym.nii",
        "atlas.v1_space-MNI152NLin2009cAsym_dseg.nii.gz",
        "atlas.space-MNI152NLin2009cAsym.nii.gz",
        "Space-MNI152NLin2009cAsym_dseg.nii.gz",
        "space-MNI152NLin6Asym_x_space-MNI152NLin2009cAsym_dseg.nii.gz",
    ],
)
def test_another_space_in_the_name_is_refused_whatever_the_field_of_view(name):
    with pytest.raises(InputError, match="but the maps are in MNI152NLin6Asym"):
        check_space(Path(name), OUTPUT_GRID, "atlas")


def test_the_space_counts_rather_than_the_template():
    check_space(Path("tpl-MNI152NLin2009cAsym_space-MNI152NLin6Asym_dseg.nii.gz"), OUTPUT_GRID, "atlas")


def test_a_space_at_the_end_of_the_name_is_stated():
    check_space(Path("AAL3.v1_space-MNI152NLin6Asym.nii.gz"), SPM_2MM, "atlas")


def test_oblique_axes_are_refused_without_a_stated_space():
    affine = OUTPUT_GRID.matrix.copy()
    affine[:2, :2] = 2 * np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    with pytest.raises(InputError, match=r"its axes \(RAS\) are oblique"):
        check_space(Path("atlas.nii.gz"), Grid.from_image(OUTPUT_GRID.shape, affine), "atlas")
