"""Evaluation of predicted maps against measured maps."""
