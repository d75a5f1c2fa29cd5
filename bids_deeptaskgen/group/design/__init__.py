"""Design of the tests of differences between participants, without maps."""
