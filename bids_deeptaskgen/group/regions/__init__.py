"""ROI tables and functional ROIs of a group, one session at a time."""
