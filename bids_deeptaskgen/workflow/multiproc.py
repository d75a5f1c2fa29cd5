"""nipype's MultiProc, mended where workers and their parent do not learn of each other's end."""

import gc
import multiprocessing
import os
import signal
import threading
import traceback
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer

# More than a process needs to end that was told to.
PATIENCE_S = 10


class RobustMultiProc(MultiProcPlugin):
    """MultiProc that sees when the process of a node was killed, e.g. for its memory, and leaves none behind.

    The original asks such a process's future for its result in a callback, where the exception is lost,
    and polls for that result from then on. Its workers finish what they have begun after their parent was
    interrupted, and wait for ever after it was killed.
    """

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        self.lost_a_worker = False
        context = multiprocessing.get_context(plugin_args.get("mp_context", "forkserver"))
        # Every worker holds the other end of this pipe, so it is over when the last of them has ended.
        self._workers, self._end = context.Pipe(duplex=False)
        # No process has been started yet, so nothing is lost with the pool that is there.
        self.pool = ProcessPoolExecutor(
            self.processors,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self._cwd, self._end),
        )

    def run(self, *arguments: Any, **named: Any) -> None:
        """Run a graph; when this is over, however it ends, so are the workers."""
        # The original collects garbage with every node: 0.2 s, if it looks at all that the libraries hold.
        gc.freeze()
        try:
            super().run(*arguments, **named)
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise
        finally:
            gc.unfreeze()
            self.pool.shutdown(cancel_futures=True)
            # Where the fork server was ended too, the pool cannot tell whether they have.
            self._end.close()
            self._workers.poll(PATIENCE_S)

    def _async_callback(self, args: "Future[dict[str, Any]]") -> None:
        if not args.cancelled() and args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        future = self._task_obj[taskid]
        if future.done() and (error := future.exception()) is not None:
            self.lost_a_worker |= isinstance(error, BrokenProcessPool)
            return {"taskid": taskid, "result": None, "traceback": traceback.format_exception(error)}
        return super()._get_result(taskid)


def _start_worker(folder: str, _end: Connection) -> None:
    process_initializer(folder)
    # Ctrl-C reaches all processes of a terminal; the parent is the one that ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
