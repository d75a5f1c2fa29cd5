"""nipype's MultiProc plugin, extended to detect the end of workers and of their parent."""

import gc
import multiprocessing
import os
import signal
import threading
import traceback
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer
from scipy.sparse import lil_matrix

# More seconds than a process needs to end after SIGTERM.
TIMEOUT_S = 10


class Dependencies(lil_matrix):  # type: ignore[misc]
    """Matrix in which row i has an entry in column j if node j waits for node i.

    nipype sums its columns twice in each cycle. scipy converts the whole matrix for that, in a time that is
    proportional to the nodes of the run, of which most are done.
    """

    def sum(self, axis: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Sum entries, which are 1; the columns without a conversion of the matrix.

        Parameters
        ----------
        axis : int, optional
            0 for the sum of each column.
        args, kwargs : object
            Further arguments of scipy's method.

        Returns
        -------
        array of shape (1, n_columns), or what scipy returns for other axes
        """
        if axis != 0 or args or kwargs:
            return super().sum(axis, *args, **kwargs)
        columns = np.fromiter(chain.from_iterable(self.rows), np.intp)
        return np.bincount(columns, minlength=self.shape[1])[np.newaxis]


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

    @property
    def depidx(self) -> Dependencies | None:
        """Return the dependencies of the nodes, which nipype replaces when it adds nodes."""
        return self._dependencies

    @depidx.setter
    def depidx(self, matrix: Any) -> None:
        self._dependencies = None if matrix is None else Dependencies(matrix)

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
