"""Locks that killed processes leave."""

from bids_deeptaskgen.io.atomic import process_namespace


def leave_lock(path, pid, namespace=None):
    """Create the lock of a file, as a process would that is killed while it holds the lock."""
    lock = path.with_name(f".{path.name}.lock")
    lock.mkdir()
    (lock / f"1.{namespace or process_namespace()}.{pid}").touch()
