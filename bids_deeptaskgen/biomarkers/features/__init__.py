"""Features of participants from cohort stores, measured maps and tables."""
