"""Maps in regions: values of ROIs, and functional ROIs of participants."""
