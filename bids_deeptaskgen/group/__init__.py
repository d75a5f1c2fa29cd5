"""Group level: averages, tests of differences, relation to motion, individuality, quality."""
