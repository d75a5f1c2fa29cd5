"""Task-contrast maps from resting-state fMRI: a BIDS App around the DeepTaskGen method."""
