"""Benchmarks of ``deeptaskgen biomarkers``: traits whose origin is known, time and memory."""
