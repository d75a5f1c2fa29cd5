"""Networks of a few numbers are computed fastest by one thread, above all where tests run side by side."""

from tests.nn.conftest import one_thread

__all__ = ["one_thread"]
