"""Prediction of traits from maps, connectomes and tables, with cross-validation."""
