"""Cohort store: maps of all sessions of a cohort as a Zarr array that several processes write at once."""
