"""Limits of the memory for pages, which both their plan and their content use. Imports no library."""

# Maps of several sets that are compared at a time, each of 3.6 MB.
N_MAPS_IN_MEMORY = 64
