"""Figures for notebooks and pages: functions of arrays and images that return matplotlib figures."""

from bids_deeptaskgen.report.figures.coverage import plot_coverage
from bids_deeptaskgen.report.figures.run_quality import plot_run_quality

__all__ = ["plot_coverage", "plot_run_quality"]
