"""The processing of one participant, step by step, without nipype."""
