"""Statistics of maps and scores on arrays, with numpy and scipy only."""
