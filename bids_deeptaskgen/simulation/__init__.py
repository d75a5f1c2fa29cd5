"""Simulate participants: anatomy, resting state, confounds, task maps."""
