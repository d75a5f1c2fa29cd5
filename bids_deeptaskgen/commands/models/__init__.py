"""Commands of ``deeptaskgen models``."""
