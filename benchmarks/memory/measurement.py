"""Peak memory of the nodes of a participant, each in a worker like those of a run."""

import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.input.sources import locate
from bids_deeptaskgen.pipeline.context import RunContext, make_context
from bids_deeptaskgen.pipeline.records import Job
from bids_deeptaskgen.settings.participant import ParticipantSettings

BYTES_PER_KIB = 1024
# Peak of resident memory of the process; 5 resets it.
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Peak:
    """Peak resident memory of a node in GB, and of its process before it started."""

    gb: float
    initial_gb: float


def context_of(dataset: Path, output: Path, **options: Any) -> RunContext:  # noqa: ANN401
    """Return the context of a run over a dataset, into an empty folder."""
    shutil.rmtree(output, ignore_errors=True)
    settings = ParticipantSettings(bids_dir=dataset, output_dir=output, min_minutes=0.1, min_dof=1, **options)
    return make_context(settings, locate(dataset, desc=settings.desc))


def measure_nodes(context: RunContext, work: Path, n_threads: int, steps: Sequence[str]) -> dict[str, Peak]:
    """Run the nodes of one participant, one after the other in the same worker.

    Parameters
    ----------
    context : RunContext
    work : Path
        Work folder, which is removed.
    n_threads : int
        Threads of the network.
    steps : sequence of str
        Of ``connectomes``, ``prediction`` and ``pages``.

    Returns
    -------
    dict of str to Peak
        By step.

    Raises
    ------
    RuntimeError
        If a session failed.
    """
    from nipype import Node

    from bids_deeptaskgen.workflow.multiproc import _start_worker

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    job = Job("01", context, work / "connectomes", work / "records")
    methods = multiprocessing.get_context("forkserver")
    _, end = methods.Pipe(duplex=False)
    peaks: dict[str, Peak] = {}
    with ProcessPoolExecutor(1, methods, _start_worker, (str(work), end)) as pool:
        records: Any = []
        for step in steps:
            node = Node(_interface(step, job, records, n_threads), name=step, base_dir=str(work / "nodes"))
            peaks[step], records = pool.submit(_run_node, node).result()
            _require_success(step, records)
    shutil.rmtree(work)
    return peaks


def _interface(step: str, job: Job, records: Any, n_threads: int) -> Any:  # noqa: ANN401
    """Return the interface of a step; `records` are those of the step before."""
    from bids_deeptaskgen.pipeline.report_step import page_job
    from bids_deeptaskgen.workflow.interfaces import (
        ConnectomesInterface,
        PageInterface,
        PredictionInterface,
    )

    if step == "connectomes":
        return ConnectomesInterface(job=job)
    if step == "prediction":
        return PredictionInterface(jobs=[job], records=[records], n_threads=n_threads)
    return PageInterface(job=page_job(job), records=records)


def _require_success(step: str, records: Any) -> None:  # noqa: ANN401
    outcomes = records if isinstance(records, list) else [records]
    reasons = [getattr(outcome, "reason", "") or getattr(outcome, "error", "") for outcome in outcomes]
    if any(reasons):
        message = f"{step}: {'; '.join(filter(None, reasons))}"
        raise RuntimeError(message)


def _run_node(node: Any) -> tuple[Peak, Any]:  # noqa: ANN401
    initial = read_gb("VmRSS")
    _RESET.write_text("5", "ascii")
    records = node.run().outputs.records
    return Peak(read_gb("VmHWM"), initial), records


def read_gb(name: str, status: Path = _STATUS) -> float:
    """Read a value of a process's status in GB (1e9 bytes)."""
    for line in status.read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * BYTES_PER_KIB / 1e9
    message = f"{status} has no {name}."
    raise RuntimeError(message)
