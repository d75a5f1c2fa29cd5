"""BIDS datasets: queries, file names and output files; the only package that imports pybids."""
