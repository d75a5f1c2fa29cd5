"""Paths, sidecars and records of what is written."""
