"""Commands of ``deeptaskgen store``."""
