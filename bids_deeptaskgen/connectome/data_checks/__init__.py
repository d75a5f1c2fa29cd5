"""Checks of what the data themselves show: rounding, copies, misplaced masks, confounds of another run."""
