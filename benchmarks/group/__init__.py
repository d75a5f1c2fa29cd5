"""Benchmarks of the group level: time and memory of ``group`` by number of participants."""
