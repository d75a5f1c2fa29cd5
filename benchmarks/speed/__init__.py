"""Time the steps and the whole commands."""
