"""The verbs of ``deeptaskgen models``."""
