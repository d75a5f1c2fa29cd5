"""Descriptors for tools that run BIDS Apps: Boutiques and Nipoppy. `make descriptors` writes them."""
