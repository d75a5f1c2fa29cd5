"""nipype's MultiProc plugin, extended to detect the end of workers and of their parent."""

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

# More seconds than a process needs to end after SIGTERM.
TIMEOUT_S = 10


class RobustMultiProc(MultiProcPlugin):
    """MultiProc plugin that detects killed workers, e.g. by the memory limit, and leaves no process behind.

    The original requests the result of a killed process in a callback, where the exception is lost, and then
    polls for that result for ever. Its workers continue after an interruption of their parent, and wait for
    ever after the parent was killed.
    """

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        self.lost_a_worker = False
        context = multiprocessing.get_context(plugin_args.get("mp_context", "forkserver"))
        # Every worker has the other end of this pipe, so it closes when the last worker has ended.
        self._workers, self._end = context.Pipe(duplex=False)
        # The original pool has not started any process yet, so replacing it loses nothing.
        self.pool = ProcessPoolExecutor(
            self.processors,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self._cwd, self._end),
        )

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run a graph, and end all workers at the end or after an exception.

        Parameters
        ----------
        args, kwargs : object
            Arguments of nipype's method.
        """
        # The original collects garbage for every node: 0.2 s, unless objects of libraries are frozen.
        gc.freeze()
        try:
            super().run(*args, **kwargs)
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise
        finally:
            gc.unfreeze()
            self.pool.shutdown(cancel_futures=True)
            # If the fork server has ended as well, only the pipe shows whether the workers have.
            self._end.close()
            self._workers.poll(TIMEOUT_S)

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
    # Ctrl-C reaches all processes of a terminal; the parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
