"""Figures and pages; the only home of matplotlib and jinja2."""
