"""One module a command: collect, compute, write, report."""
