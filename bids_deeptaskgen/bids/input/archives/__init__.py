"""Archives whose folders are not BIDS: Human Connectome Project, UK Biobank."""
