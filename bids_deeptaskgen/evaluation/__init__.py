"""Score predicted maps against measured maps."""
