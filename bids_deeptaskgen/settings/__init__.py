"""Settings of every command: frozen dataclasses whose values have been checked."""
