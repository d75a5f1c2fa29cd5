"""Participants, targets, confounds and exclusions of an analysis."""
