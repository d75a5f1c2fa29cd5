"""Fast CPU implementation of the network, which computes only the voxels that affect the output."""
