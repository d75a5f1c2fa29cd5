"""The graph of the participant level."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype import MapNode, Node, Workflow

from bids_deeptaskgen.pipeline.records import Job
from bids_deeptaskgen.workflow.interfaces import ConnectomesInterface, PredictionInterface

# Peak memory in GB of a process that holds the published network; measured.
PREDICT_GB = 2.0
# Connectomes are made this many chunks ahead of the predictions, or those waiting would fill the disk.
N_CHUNKS_AHEAD = 2


def connect_gb(n_windows: int | str, n_rois: int = 50, n_voxels: int = 235_375, rank: int = 32) -> float:
    """Estimate the peak memory in GB of a process that makes a person's connectomes.

    What does not grow (0.8 GB) was measured; products of voxels with ROIs and regressors are held in
    float64 for each window of a run, and what is finished in float32 for each window of all runs.
    """
    windows = 8 if n_windows == "auto" else int(n_windows)
    # More runs than four are rare, and with one window they are pooled.
    n_runs = 4 if windows > 1 else 1
    return 0.8 + windows * n_voxels * (8 * (n_rois + rank) + 4 * n_rois * n_runs) / 1e9


def make_graph(jobs: Sequence[Job], folder: Path, *, n_threads: int, use_gpu: bool = False) -> Workflow:
    """Lay out chunks of people: connectomes of each person, then the predictions of the chunk.

    The next chunk's connectomes are made while one is predicted; those of the one after next wait for it.

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
    settings = jobs[0].context.settings
    predictions: list[Any] = []
    for number, chunk in enumerate(_chunks(jobs, settings.chunk_size)):
        mem_gb = connect_gb(settings.n_windows)
        connect: Any = MapNode(
            ConnectomesInterface(), iterfield=["job"], name=f"connectomes{number}", mem_gb=mem_gb
        )
        connect.inputs.job = chunk
        # Faults travel as records; the rest of the chunk is done whatever happens to one person.
        shell = PredictionInterface(jobs=chunk, n_threads=n_threads, use_gpu=use_gpu)
        n_procs = 1 if use_gpu else n_threads
        predict: Any = Node(shell, name=f"predict{number}", mem_gb=PREDICT_GB, n_procs=n_procs)
        graph.connect(connect, "records", predict, "records")
        if number >= N_CHUNKS_AHEAD:
            graph.connect(predictions[number - N_CHUNKS_AHEAD], "records", connect, "after")
        predictions.append(predict)
    return graph


def _chunks(jobs: Sequence[Job], size: int) -> list[list[Job]]:
    return [list(jobs[start : start + size]) for start in range(0, len(jobs), size)]
