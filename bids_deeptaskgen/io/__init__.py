"""Read and write files: NIfTI, TSV, npy, downloads."""
