"""Figures for notebooks and pages: functions of arrays and images that return matplotlib figures."""

from bids_deeptaskgen.report.figures.agreement import plot_agreement
from bids_deeptaskgen.report.figures.coverage import plot_coverage
from bids_deeptaskgen.report.figures.maps import plot_glass_brain, plot_statmap, plot_statmaps, plot_surface
from bids_deeptaskgen.report.figures.matrices import plot_connectome_matrix
from bids_deeptaskgen.report.figures.run_quality import plot_run_quality
from bids_deeptaskgen.report.figures.volumes import plot_mask_outline, plot_tsnr

__all__ = [
    "plot_agreement",
    "plot_connectome_matrix",
    "plot_coverage",
    "plot_glass_brain",
    "plot_mask_outline",
    "plot_run_quality",
    "plot_statmap",
    "plot_statmaps",
    "plot_surface",
    "plot_tsnr",
]
