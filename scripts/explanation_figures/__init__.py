"""Figures of docs/explanation."""
