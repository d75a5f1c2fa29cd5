"""Train and score models on simulated cohorts."""
