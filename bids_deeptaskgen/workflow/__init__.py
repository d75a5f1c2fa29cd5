"""Graph of the participant level; the only package that imports nipype at module level."""
