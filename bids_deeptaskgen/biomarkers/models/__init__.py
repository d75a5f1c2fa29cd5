"""Models of traits, and their nested cross-validation."""
