"""Exports of an output dataset to other programs: PCNtoolkit and junifer."""
