"""Waiting for the script of a page."""

import pytest


# Not wait_for_function: it evaluates text inside the page, which the page's policy refuses.
def wait_until(page, expression):
    """Wait until an expression is true in the page, for at most 20 s."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"not true within 20 s: {expression}")
