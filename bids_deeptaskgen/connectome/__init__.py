"""From a BOLD series to voxel-to-ROI connectomes; no torch, no BIDS."""
