"""Output dataset: paths, sidecars and completion records."""
