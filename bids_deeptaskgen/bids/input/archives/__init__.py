"""Archives with other folder structures than BIDS: Human Connectome Project, UK Biobank."""
