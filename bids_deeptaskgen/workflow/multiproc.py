"""nipype's MultiProc, mended in one place: a worker that dies is a fault, not a run that waits for ever."""

import traceback
from concurrent.futures import Future
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin


class SteadyMultiProc(MultiProcPlugin):
    """MultiProc that sees when the process of a node was killed, e.g. for its memory.

    The original asks such a process's future for its result in a callback, where the exception is lost,
    and polls for that result from then on.
    """

    def _async_callback(self, args: "Future[dict[str, Any]]") -> None:
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        future = self._task_obj[taskid]
        if future.done() and (error := future.exception()) is not None:
            return {"taskid": taskid, "result": None, "traceback": traceback.format_exception(error)}
        return super()._get_result(taskid)
