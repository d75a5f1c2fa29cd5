"""Figures and HTML pages, with matplotlib and jinja2."""
