"""Collecting the sessions of a person, as the tests ask for it."""

import pytest

from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault, collect_sessions
from bids_deeptaskgen.errors import InputError

REST = (("task", "rest"),)


def collect(root, subject="01", query=None, **more):
    found = collect_sessions(root, subject, query or Query(), **more)
    for one in found:
        if isinstance(one, SessionFault):
            raise one.error
    return found


def only_run(root):
    (session,) = collect(root)
    (inputs,) = session.runs
    return inputs


def complaint(root) -> str:
    with pytest.raises(InputError) as caught:
        collect(root)
    return str(caught.value)
