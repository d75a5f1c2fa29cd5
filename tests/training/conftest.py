"""Networks of a few numbers are computed fastest by one thread, above all where tests run side by side."""

from tests.nn.conftest import single_thread

__all__ = ["single_thread"]
