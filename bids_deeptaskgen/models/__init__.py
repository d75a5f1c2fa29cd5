"""Model bundles: card, weights, ROI maps and masks. Does not import torch."""
