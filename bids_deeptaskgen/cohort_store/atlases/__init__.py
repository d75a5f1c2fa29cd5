"""Atlases: images of labels or probabilities, their space and the names of their regions."""
