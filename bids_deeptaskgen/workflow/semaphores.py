"""Semaphores of the operating system, which parallel processes need."""

import multiprocessing


def describe_problem() -> str:
    """Describe why no semaphore can be created.

    Linux keeps them in ``/dev/shm``, which a container may not have, or may have read-only or full.

    Returns
    -------
    str
        Empty if a semaphore can be created.

    Examples
    --------
    >>> describe_problem()
    ''
    """
    try:
        # This kind leaves no file behind.
        multiprocessing.get_context("fork").Lock()
    except (OSError, ImportError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""
