"""Size and speed of the cohort store beside plain NIfTI images."""
