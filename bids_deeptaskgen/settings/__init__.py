"""The settings of every command: one frozen dataclass each, whose existence means that it is valid."""
