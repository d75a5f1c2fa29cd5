"""``deeptaskgen export``: write results for other programs."""
