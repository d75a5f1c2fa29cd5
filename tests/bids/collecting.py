"""Helpers that collect the sessions of a participant."""

import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault, collect_sessions
from bids_deeptaskgen.errors import InputError

REST = (("task", "rest"),)


def collect(root, subject="01", query=None, **options):
    """Return the sessions of a participant; raise the error of the first session at fault."""
    records = collect_sessions(root, subject, query or Query(), **options)
    for record in records:
        if isinstance(record, SessionFault):
            raise record.error
    return records


def only_run(root):
    """Return the only run of the only session."""
    (session,) = collect(root)
    (inputs,) = session.runs
    return inputs


def complaint(root) -> str:
    """Return the message of the error that the files raise."""
    with pytest.raises(InputError) as error_info:
        collect(root)
    return str(error_info.value)
