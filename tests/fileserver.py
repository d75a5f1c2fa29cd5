"""A local file server with simulated network faults."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bids_deeptaskgen.io.download import RetryPolicy

# For servers on this machine that do not answer: they never will.
QUICK = RetryPolicy(connect_s=5, read_s=0.3, n_retries=2)
PAGE = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 43000000\n"
ELSEWHERE = "/elsewhere"


def answer(handler, body, code=200, length=None, **headers):
    """Send an answer, optionally with a wrong length."""
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def good(handler, body):
    answer(handler, body)


def truncated(handler, body):
    answer(handler, body[: len(body) // 2], length=len(body))
    handler.close_connection = True


def cut_without_notice(handler, body):
    """Send half of the file without a length, and close the connection."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def tampered(handler, body):
    middle = len(body) // 2
    answer(handler, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :])


def lengthened(handler, body):
    answer(handler, body + b"\0")


def empty(handler, body):
    answer(handler, b"")


def slow(handler, body):
    """Send half of the file, and then nothing until the server closes."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.server.closing.wait(60)
    handler.close_connection = True


def drips(handler, body):
    """Send the file in pieces, in all slower than the client's timeout for one piece."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    size = len(body) // 8 + 1
    for start in range(0, len(body), size):
        time.sleep(QUICK.read_s / 4)
        handler.wfile.write(body[start : start + size])
        handler.wfile.flush()


def silent(handler, body):
    handler.server.closing.wait(60)
    handler.close_connection = True


def hangs_up(handler, body):
    handler.close_connection = True


def moved(handler, body):
    if handler.path.startswith(ELSEWHERE):
        good(handler, body)
    else:
        answer(handler, b"", 302, Location=ELSEWHERE + handler.path)


def moved_in_a_circle(handler, body):
    answer(handler, b"", 302, Location=handler.path)


def web_page(handler, body):
    answer(handler, PAGE, Content_Type="text/html")


def pointer(handler, body):
    answer(handler, POINTER)


def labelled_compressed(handler, body):
    answer(handler, body, Content_Encoding="gzip")


def status(code):
    """Return a habit that answers with a status only."""
    return lambda handler, body: answer(handler, b"no", code)


def at_first(habit, n_times):
    """Return a habit that fails the first times and then answers correctly."""
    count = iter(range(n_times))
    return lambda handler, body: (good if next(count, None) is None else habit)(handler, body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        name = self.path.rpartition("/")[2]
        if name in server.files:
            server.habits.get(name, good)(self, server.files[name])
        else:
            answer(self, b"", 404)

    def do_CONNECT(self):
        self.server.asked.append(f"CONNECT {self.path}")
        answer(self, b"", 403)
        self.close_connection = True

    def log_message(self, *words):
        """Say nothing."""


class FileServer(ThreadingHTTPServer):
    """Serves files by their last name under any path.

    Attributes
    ----------
    files : dict
        Name to bytes.
    habits : dict
        Name to what is done instead of serving the file.
    asked : list of str
        Paths that were asked for, whole addresses where it is a proxy.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.habits, self.asked = {}, {}, []
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        """A client that goes away is what some tests are about."""

    def wait_until_asked(self, n_times=1, patience_s=60):
        end = time.monotonic() + patience_s
        while len(self.asked) < n_times:
            assert time.monotonic() < end, f"only {self.asked} was asked for"
            time.sleep(0.005)


@contextmanager
def file_server():
    """Run a server until the block ends."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
