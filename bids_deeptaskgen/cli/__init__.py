"""Command lines of the BIDS App and of the workbench."""
