"""Errors that a user can act on: what was found, where, and what to do."""


class UserError(Exception):
    """The command or the model does not fit; nothing can be computed as asked."""

    exit_code = 2


class InputError(UserError):
    """The data of a person, or of all, cannot be used."""

    exit_code = 3
