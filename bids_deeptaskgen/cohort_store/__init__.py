"""Maps of a cohort as numbers: ROI tables, functional ROIs, the cohort store, exports to other programs."""
