"""Model bundles: card, weights, ROI maps and masks; no torch."""
