"""Files: NIfTI, TSV, npy, atomic writing, downloads."""
