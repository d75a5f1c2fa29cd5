"""Science as pure functions on arrays."""
