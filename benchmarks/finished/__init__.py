"""Time and memory of runs over participants whose maps exist."""
