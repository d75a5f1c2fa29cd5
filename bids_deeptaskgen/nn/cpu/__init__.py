"""The network on CPUs: convolutions at the needed voxels only."""
