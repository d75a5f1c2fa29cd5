"""The same participants by Linear, MultiProc and a Slurm array: times, and whether the maps are equal."""
