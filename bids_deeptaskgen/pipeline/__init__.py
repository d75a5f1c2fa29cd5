"""Processing of one participant, step by step, independent of nipype."""
