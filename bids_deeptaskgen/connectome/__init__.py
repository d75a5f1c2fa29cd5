"""Voxel-to-ROI connectomes from BOLD series, independent of torch and BIDS."""
