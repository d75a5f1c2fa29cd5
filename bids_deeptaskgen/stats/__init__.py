"""Statistics of maps on arrays; numpy and scipy only."""
