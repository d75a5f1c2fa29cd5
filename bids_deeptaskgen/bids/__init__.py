"""Queries and names; the only home of pybids."""
