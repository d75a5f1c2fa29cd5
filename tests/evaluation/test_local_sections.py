"""Sections of the page on places in the brain."""

from pathlib import Path

from bids_deeptaskgen.evaluation.local_sections import MAX_ROIS, roi_section


def rows_of(n_rois, predictors=("net", "group average"), n_skipped=0):
    """Return means of ROIs, of which the later ones are predicted better."""
    return [
        {
            "predictor": predictor, "role": "model", "atlas": "many", "index": number, "name": f"roi{number}",
            "n_voxels": 20, "n_skipped": n_skipped, "n_contrasts": 2, "r": 0.5,
            "residual_r": 0.001 * number if predictor == "net" else float("nan"), "r_across": 0.1,
        }
        for predictor in predictors
        for number in range(n_rois)
    ]  # fmt: skip


def test_the_table_has_all_rois_of_a_small_atlas():
    section = roi_section(Path(), {"roi_means": rows_of(MAX_ROIS)})
    assert len(section.rows) == 2 * MAX_ROIS
    assert "with the highest" not in section.text
    assert "left out" not in section.text


def test_the_table_of_a_large_atlas_has_the_best_rois_in_order():
    section = roi_section(Path(), {"roi_means": rows_of(400, n_skipped=3)})
    names = list(dict.fromkeys(row[0] for row in section.rows))
    assert names == [f"roi{number}" for number in range(400 - MAX_ROIS, 400)]
    assert f"{MAX_ROIS} of 400 ROIs" in section.text
    assert "3 ROIs have fewer than 10 scored voxels" in section.text
