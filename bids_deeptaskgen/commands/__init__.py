"""Commands, one module each: they collect inputs, compute, write outputs and report."""
