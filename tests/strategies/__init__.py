"""Hypothesis strategies: names of files, and altered datasets."""

from tests.strategies.names import ALPHANUMERIC, entity_lists, labels, runs, series

__all__ = ["ALPHANUMERIC", "entity_lists", "labels", "runs", "series"]
