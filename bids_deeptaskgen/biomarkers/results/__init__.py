"""Scores, comparisons, tables, figures and the page of an analysis."""
