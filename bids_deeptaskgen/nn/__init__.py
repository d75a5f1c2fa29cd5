"""Networks and bundles; the only home of torch."""
