"""The graph of the participant level."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype import MapNode, Node, Workflow

from bids_deeptaskgen.workflow.interfaces import Connect, Predict
from bids_deeptaskgen.workflow.records import Job

# Peak memory in GB of a process that reads a run, and of one that holds the published network; measured.
CONNECT_GB = 1.0
PREDICT_GB = 2.0


def make_graph(jobs: Sequence[Job], folder: Path, *, n_threads: int, use_gpu: bool = False) -> Workflow:
    """Lay out chunks of people: connectomes of each person, then the predictions of the chunk.

    Chunks do not wait for each other, so the next one's connectomes are made while one is predicted.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path
        Work folder of nipype.
    n_threads : int
        Threads of the network on a CPU, which count against MultiProc's processes.
    use_gpu : bool
        Whether the network runs on a GPU.

    Returns
    -------
    Workflow
    """
    graph = Workflow("participant", base_dir=str(folder))
    size = jobs[0].settings.chunk_size if jobs else 1
    for number, chunk in enumerate(_chunks(jobs, size)):
        connect: Any = MapNode(Connect(), iterfield=["job"], name=f"connectomes{number}", mem_gb=CONNECT_GB)
        connect.inputs.job = chunk
        # Faults travel as records; the rest of the chunk is done whatever happens to one person.
        shell = Predict(jobs=chunk, n_threads=n_threads, use_gpu=use_gpu)
        n_procs = 1 if use_gpu else n_threads
        predict: Any = Node(shell, name=f"predict{number}", mem_gb=PREDICT_GB, n_procs=n_procs)
        graph.connect(connect, "records", predict, "records")
    return graph


def _chunks(jobs: Sequence[Job], size: int) -> list[list[Job]]:
    return [list(jobs[start : start + size]) for start in range(0, len(jobs), size)]
