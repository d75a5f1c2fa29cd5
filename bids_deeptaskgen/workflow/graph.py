"""Graph of the participant level."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from nipype import MapNode, Node, Workflow

from bids_deeptaskgen.pipeline.memory_plan import MemoryPlan
from bids_deeptaskgen.pipeline.records import Job
from bids_deeptaskgen.pipeline.report_step import PageJob, page_job
from bids_deeptaskgen.workflow.interfaces import ConnectomesInterface, PageInterface, PredictionInterface

AnyJob = TypeVar("AnyJob")

# Measured peak memory in GiB of a process that makes pages only.
PAGE_GB = 1.0
# Connectomes are computed this many chunks before their predictions; more would fill the disk.
N_CHUNKS_AHEAD = 2


def make_graph(
    jobs: Sequence[Job],
    folder: Path,
    plan: MemoryPlan,
    *,
    n_threads: int,
    use_gpu: bool = False,
    counts_workers: bool = False,
) -> Workflow:
    """Create the graph: for each chunk of participants, their connectomes, then their predictions and pages.

    While one chunk is predicted, the connectomes of the next chunk are computed; those of later chunks wait.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path
        Work folder of nipype.
    plan : MemoryPlan
        Memory of the nodes.
    n_threads : int
        Threads of the network on a CPU; each counts as one of MultiProc's processes.
    use_gpu : bool
        The network runs on a GPU.
    counts_workers : bool
        The scheduler has set aside what each worker keeps between nodes, so that nodes declare only what
        they need beyond it.

    Returns
    -------
    Workflow
    """
    graph = Workflow("participant", base_dir=str(folder))
    settings = jobs[0].context.settings
    kept_gb = plan.idle_gb if counts_workers else 0.0
    predictions: list[Any] = []
    for number, chunk in enumerate(_chunks(jobs, settings.chunk_size)):
        memory = plan.nodes([job.subject for job in chunk], is_first=number == 0)
        connect: Any = MapNode(
            ConnectomesInterface(),
            iterfield=["job"],
            name=f"connectomes{number}",
            mem_gb=_declare(memory.connectomes, kept_gb),
        )
        connect.inputs.job = chunk
        # Failures are records, so a failed participant does not stop the rest of the chunk.
        interface = PredictionInterface(jobs=chunk, n_threads=n_threads, use_gpu=use_gpu)
        n_procs = 1 if use_gpu else n_threads
        predict: Any = Node(
            interface,
            name=f"predict{number}",
            mem_gb=_declare(memory.prediction, kept_gb),
            n_procs=n_procs,
        )
        graph.connect(connect, "records", predict, "records")
        if number >= N_CHUNKS_AHEAD:
            graph.connect(predictions[number - N_CHUNKS_AHEAD], "records", connect, "predecessor")
        if settings.reports != "none":
            pages = [page_job(job) for job in chunk]
            page = _page_node(f"pages{number}", pages, _declare(memory.pages, kept_gb))
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
        [
            _page_node(f"pages{number}", chunk, PAGE_GB)
            for number, chunk in enumerate(_chunks(jobs, chunk_size))
        ]
    )
    return graph


def _declare(node_gb: float, kept_gb: float) -> float:
    """Return the memory that a node declares; nipype replaces 0 by its default."""
    return max(node_gb - kept_gb, 0.01)


def _page_node(name: str, jobs: Sequence[PageJob], mem_gb: float) -> Any:
    node = MapNode(PageInterface(), iterfield=["job"], name=name, mem_gb=mem_gb)
    node.inputs.job = list(jobs)
    return node


def _chunks(jobs: Sequence[AnyJob], size: int) -> list[list[AnyJob]]:
    return [list(jobs[start : start + size]) for start in range(0, len(jobs), size)]
