"""Declared and measured memory of the steps of the participant level."""
