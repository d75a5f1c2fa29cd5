"""Graph of the participant level."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from nipype import MapNode, Node, Workflow

from bids_deeptaskgen.connectome.block_bootstrap import MAX_BLOCKS
from bids_deeptaskgen.pipeline.records import Job
from bids_deeptaskgen.pipeline.report_step import PageJob, page_job
from bids_deeptaskgen.workflow.interfaces import ConnectomesInterface, PageInterface, PredictionInterface

AnyJob = TypeVar("AnyJob")

# Measured peak memory in GB of a process with the published network.
PREDICT_GB = 2.0
# Measured peak memory in GB of a process that makes pages.
PAGE_GB = 1.0
# Connectomes are computed this many chunks before their predictions; more would fill the disk.
N_CHUNKS_AHEAD = 2


def connect_gb(
    n_windows: int | str,
    n_rois: int = 50,
    n_voxels: int = 235_375,
    rank: int = 32,
    *,
    keeps_runs: bool = False,
    has_bootstrap: bool = False,
) -> float:
    """Estimate the peak memory of a process that computes a participant's connectomes.

    The constant part (0.8 GB) was measured. Products of voxels with ROIs and regressors are float64 for each
    window of one run; connectomes are float32 for each window of all runs.

    Parameters
    ----------
    n_windows : int or str
        Windows per run; ``auto`` counts as 8.
    n_rois, n_voxels : int
        Shape of a connectome.
    rank : int
        Number of regressors.
    keeps_runs : bool
        The connectomes of single runs are kept, too.
    has_bootstrap : bool
        The series is read again for a bootstrap, while the connectomes are in memory.

    Returns
    -------
    float
        Memory in GB.
    """
    windows = 8 if n_windows == "auto" else int(n_windows)
    # More than four runs are rare, and with one window, runs are pooled.
    n_runs = 4 if windows > 1 else 1
    n_connectomes = windows * n_runs + (4 if keeps_runs and windows == 1 else 0)
    # A resample needs one more connectome, and its correlations before they are placed.
    n_sums, n_buffers = (max(windows, MAX_BLOCKS), 2) if has_bootstrap else (windows, 0)
    return 0.8 + n_voxels * (8 * (n_rois + rank) * n_sums + 4 * n_rois * (n_connectomes + n_buffers)) / 1e9


def make_graph(jobs: Sequence[Job], folder: Path, *, n_threads: int, use_gpu: bool = False) -> Workflow:
    """Create the graph: for each chunk of participants, their connectomes, then their predictions and pages.

    While one chunk is predicted, the connectomes of the next chunk are computed; those of later chunks wait.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path
        Work folder of nipype.
    n_threads : int
        Threads of the network on a CPU; each counts as one of MultiProc's processes.
    use_gpu : bool
        The network runs on a GPU.

    Returns
    -------
    Workflow
    """
    graph = Workflow("participant", base_dir=str(folder))
    settings = jobs[0].context.settings
    predictions: list[Any] = []
    for number, chunk in enumerate(_chunks(jobs, settings.chunk_size)):
        mem_gb = connect_gb(
            settings.n_windows,
            keeps_runs=settings.reports == "full",
            has_bootstrap=settings.n_bootstrap > 0,
        )
        connect: Any = MapNode(
            ConnectomesInterface(), iterfield=["job"], name=f"connectomes{number}", mem_gb=mem_gb
        )
        connect.inputs.job = chunk
        # Failures are records, so a failed participant does not stop the rest of the chunk.
        interface = PredictionInterface(jobs=chunk, n_threads=n_threads, use_gpu=use_gpu)
        n_procs = 1 if use_gpu else n_threads
        predict: Any = Node(interface, name=f"predict{number}", mem_gb=PREDICT_GB, n_procs=n_procs)
        graph.connect(connect, "records", predict, "records")
        if number >= N_CHUNKS_AHEAD:
            graph.connect(predictions[number - N_CHUNKS_AHEAD], "records", connect, "predecessor")
        if settings.reports != "none":
            page = _page_node(f"pages{number}", [page_job(job) for job in chunk])
            graph.connect(predict, "records", page, "records")
        predictions.append(predict)
    return graph


def make_page_graph(jobs: Sequence[PageJob], folder: Path, chunk_size: int) -> Workflow:
    """Create a graph that makes pages only.

    Parameters
    ----------
    jobs : sequence of PageJob
    folder : Path
        Work folder of nipype.
    chunk_size : int
        Participants per node.

    Returns
    -------
    Workflow
    """
    graph = Workflow("pages", base_dir=str(folder))
    graph.add_nodes(
        [_page_node(f"pages{number}", chunk) for number, chunk in enumerate(_chunks(jobs, chunk_size))]
    )
    return graph


def _page_node(name: str, jobs: Sequence[PageJob]) -> Any:
    node = MapNode(PageInterface(), iterfield=["job"], name=name, mem_gb=PAGE_GB)
    node.inputs.job = list(jobs)
    return node


def _chunks(jobs: Sequence[AnyJob], size: int) -> list[list[AnyJob]]:
    return [list(jobs[start : start + size]) for start in range(0, len(jobs), size)]
