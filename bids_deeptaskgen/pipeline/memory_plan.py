"""Memory of the processes of a run: what each node declares, how many fit, and who does not.

A worker of MultiProc keeps libraries and model while it waits for its next node. The memory of a run is
therefore that of the main process and of all its workers, whether or not they compute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from bids_deeptaskgen.connectome.memory import roi_bytes
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.machine import available_gb
from bids_deeptaskgen.models.bundle import MEAN_STATMAPS, Bundle
from bids_deeptaskgen.models.memory import PredictionShape, prediction_bytes
from bids_deeptaskgen.pipeline.memory_needs import Need
from bids_deeptaskgen.report.page_limits import N_MAPS_IN_MEMORY
from bids_deeptaskgen.settings.participant import ParticipantSettings

GIB = 2**30
# Measured resident memory in GiB: interpreter and the libraries of all nodes; torch; the libraries of pages.
LIBRARIES_GB, TORCH_GB, PLOTS_GB = 0.30, 0.20, 0.07
# Of a process with a GPU: the libraries of CUDA. Not measured here.
CUDA_GB = 1.5
# The processes that start workers and count shared resources.
SERVERS_GB = 0.04
# Share of the available memory that is used without `mem`.
DEFAULT_SHARE = 0.9
# Bytes of a page, measured: with all maps, whose slices and surfaces it holds as text, and a small one.
PAGE_BYTES = {"full": 210_000_000, "qc": 20_000_000}
_FLOAT32 = 4


@dataclass(frozen=True)
class MemoryLimit:
    """Memory that a run may use.

    Attributes
    ----------
    gb : float
        In GiB.
    source : str
        Where it comes from, for messages.
    """

    gb: float
    source: str

    def __str__(self) -> str:
        return f"{self.gb:.1f} GB ({self.source})"


def find_limit(settings: ParticipantSettings) -> MemoryLimit | None:
    """Return the limit of the memory of a run.

    Parameters
    ----------
    settings : ParticipantSettings
        Uses mem and use_plugin.

    Returns
    -------
    MemoryLimit or None
        None with a plugin of the user, whose jobs have limits of their own.
    """
    if settings.use_plugin is not None:
        return None
    if settings.mem is not None:
        return MemoryLimit(settings.mem, "`mem`")
    total = available_gb()
    source = f"90% of the {total:.1f} GB that this machine, container or Slurm job provides"
    return MemoryLimit(DEFAULT_SHARE * total, source)


def memory_for_nodes(limit: MemoryLimit | None, main_gb: float, idle_gb: float, n_workers: int) -> float:
    """Compute the memory for nodes, beyond what the processes keep while they wait.

    Parameters
    ----------
    limit : MemoryLimit or None
        Of the run.
    main_gb, idle_gb : float
        Memory of the main process, and of a worker that waits, in GiB.
    n_workers : int

    Returns
    -------
    float
        In GiB; infinite without a limit.

    Examples
    --------
    >>> memory_for_nodes(MemoryLimit(8.0, "`mem`"), 1.0, 0.5, 4)
    5.0
    """
    # nipype starts no node without any memory.
    return float("inf") if limit is None else max(limit.gb - main_gb - n_workers * idle_gb, 0.01)


def largest_page(*, is_4d: bool) -> PredictionShape:
    """Return the shape whose page needs most memory, for participants whose sessions are unknown.

    Parameters
    ----------
    is_4d : bool
        The maps are in one image.

    Returns
    -------
    PredictionShape
        Of two sessions with all sets of maps.
    """
    return PredictionShape(n_windows=2, n_bootstrap=1, n_sessions=2, is_4d=is_4d)


def page_bytes(reports: str, n_contrasts: int, shapes: Sequence[PredictionShape]) -> int:
    """Compute the peak memory of a process while it makes the page of a participant.

    Parameters
    ----------
    reports : {"full", "qc"}
    n_contrasts : int
    shapes : sequence of PredictionShape
        Of the participants, with the number of sessions of each.

    Returns
    -------
    int
        Bytes beyond those of the libraries.
    """
    volume = int(np.prod(OUTPUT_GRID.shape)) * _FLOAT32
    n_image = max(shape.n_sets for shape in shapes) * n_contrasts if shapes[0].is_4d else 0
    n_compared = max(_count_compared(shape.n_sessions, n_contrasts) for shape in shapes)
    return PAGE_BYTES[reports] + (n_image + n_compared) * volume


def _count_compared(n_sessions: int, n_contrasts: int) -> int:
    """Count the maps in memory while sessions are compared: those of all, and a copy of those of one."""
    if n_sessions < 2:
        return 0
    return (n_sessions + 1) * min(n_contrasts, max(1, N_MAPS_IN_MEMORY // n_sessions))


@dataclass(frozen=True)
class NodeMemory:
    """Memory in GiB that the nodes of a chunk declare."""

    connectomes: float
    prediction: float
    pages: float

    @property
    def largest(self) -> float:
        """Return the memory of the largest node."""
        return max(self.connectomes, self.prediction, self.pages)


@dataclass(frozen=True)
class MemoryPlan:
    """Memory of a run.

    Attributes
    ----------
    bundle : Bundle
    needs : dict of str to Need
        By participant; without those whose files cannot be read.
    limit : MemoryLimit or None
    reports : {"full", "qc", "none"}
        Kind of page.
    is_on_gpu : bool
    is_4d : bool
        The maps of a session are written as one image.
    """

    bundle: Bundle
    needs: Mapping[str, Need] = field(default_factory=dict)
    limit: MemoryLimit | None = None
    reports: str = "full"
    is_on_gpu: bool = False
    is_4d: bool = False

    @property
    def makes_pages(self) -> bool:
        """Return whether pages are made."""
        return self.reports != "none"

    @property
    def main_gb(self) -> float:
        """Return the memory of the main process, which starts workers and has checked the model."""
        return LIBRARIES_GB + self._model_gb + SERVERS_GB

    @property
    def idle_gb(self) -> float:
        """Return the memory that a worker keeps while it waits for its next node."""
        means = MEAN_STATMAPS in self.bundle.card.sha256
        return LIBRARIES_GB + self._model_gb + self._plots_gb + means * self._maps_bytes / GIB

    @property
    def _model_gb(self) -> float:
        """Return the memory of torch, and of the ROI maps, which a process reads once."""
        torch = TORCH_GB if self.bundle.card.architecture.is_network else 0.0
        return torch + (CUDA_GB if self.is_on_gpu else 0.0) + self._roi_gb

    @property
    def _roi_gb(self) -> float:
        n_rois, n_voxels = self.bundle.card.architecture.in_channels, int(self.bundle.brain_mask.sum())
        return roi_bytes(n_rois, n_voxels) / GIB

    @property
    def _plots_gb(self) -> float:
        return PLOTS_GB if self.makes_pages else 0.0

    @property
    def _maps_bytes(self) -> int:
        return self.bundle.card.architecture.out_channels * int(self.bundle.output_mask.sum()) * _FLOAT32

    def nodes(self, subjects: Sequence[str], *, is_first: bool = False) -> NodeMemory:
        """Compute the memory of the nodes of a chunk.

        Parameters
        ----------
        subjects : sequence of str
            Without a need, e.g. because the maps exist, only the page of a participant needs memory.
        is_first : bool
            Whether this is the first chunk, whose connectomes are computed before any worker needs torch.

        Returns
        -------
        NodeMemory
        """
        needs = [self.needs[subject] for subject in subjects if subject in self.needs]
        first_gb = LIBRARIES_GB + self._roi_gb
        n_bytes = max((need.n_bytes for need in needs), default=0)
        shapes = [need.prediction for need in needs]
        is_unknown = len(needs) < len(subjects)
        page_shapes = [*shapes, *([largest_page(is_4d=self.is_4d)] if is_unknown else [])]
        return NodeMemory(
            connectomes=(first_gb if is_first else self.idle_gb) + n_bytes / GIB,
            prediction=(self.idle_gb - (self._plots_gb if is_first else 0))
            + self._prediction_bytes(shapes) / GIB,
            pages=self.idle_gb + self._page_bytes(page_shapes) / GIB if self.makes_pages else 0.0,
        )

    def _prediction_bytes(self, shapes: Sequence[PredictionShape]) -> int:
        if not shapes:
            return 0
        numbers = {
            name: max(getattr(shape, name) for shape in shapes)
            for name in ("n_windows", "n_runs", "n_extra", "n_bootstrap")
        }
        n_sessions = sum(shape.n_sessions for shape in shapes)
        shape = replace(shapes[0], **numbers, n_sessions=n_sessions, is_on_gpu=self.is_on_gpu)
        return prediction_bytes(self.bundle, shape)

    def _page_bytes(self, shapes: Sequence[PredictionShape]) -> int:
        if not shapes or not self.makes_pages:
            return 0
        return page_bytes(self.reports, self.bundle.card.architecture.out_channels, shapes)

    def single_gb(self, need: Need) -> float:
        """Return the memory of a run of one participant, all in one process.

        Parameters
        ----------
        need : Need
            Of the participant.

        Returns
        -------
        float
            In GiB.
        """
        n_bytes = max(
            need.n_bytes, self._prediction_bytes([need.prediction]), self._page_bytes([need.prediction])
        )
        return self.idle_gb + n_bytes / GIB

    def fits(self, subject: str) -> bool:
        """Return whether a single process for a participant fits, the smallest run that is possible.

        Parameters
        ----------
        subject : str
        """
        return self.limit is None or self.single_gb(self.needs[subject]) <= self.limit.gb

    def count_workers(self, n_processes: int, subjects: Sequence[str]) -> int:
        """Count the workers that fit beside the main process.

        Parameters
        ----------
        n_processes : int
            Requested number.
        subjects : sequence of str
            Participants of the run.

        Returns
        -------
        int
            0 if not even one fits; then a single process may suffice (`single_gb`).
        """
        if self.limit is None or not subjects:
            return n_processes
        free_gb = self.limit.gb - self.main_gb
        largest_gb = self.nodes(subjects).largest
        typical_gb = median(self.nodes([subject]).connectomes for subject in subjects)
        # While the largest node runs, the other workers wait.
        beside_largest = 1 + int((free_gb - largest_gb) // self.idle_gb)
        return max(0, min(n_processes, beside_largest, max(1, int(free_gb // typical_gb))))

    def schedulable_gb(self, n_workers: int) -> float:
        """Return the memory for nodes, beyond what each worker keeps while it waits.

        Parameters
        ----------
        n_workers : int

        Returns
        -------
        float
            In GiB.
        """
        return memory_for_nodes(self.limit, self.main_gb, self.idle_gb, n_workers)


def check_prediction(plan: MemoryPlan) -> None:
    """Refuse a run whose prediction does not fit, whatever the participant.

    Parameters
    ----------
    plan : MemoryPlan

    Raises
    ------
    UserError
        If the model alone needs more than the limit.
    """
    if plan.limit is None:
        return
    smallest = Need(0, plan.bundle.folder, "", 1, PredictionShape())
    gb = plan.single_gb(smallest)
    if gb > plan.limit.gb:
        message = (
            f"{plan.bundle.folder}: a prediction with {plan.bundle.card.name} needs {gb:.1f} GB of memory, "
            f"and the limit is {plan.limit}.\nRaise `mem`, request more memory for the container or the job, "
            "or choose a smaller `model`."
        )
        raise UserError(message)


def count_processes(plan: MemoryPlan, subjects: Sequence[str], n_processes: int) -> int:
    """Count the processes of a run: several workers, or 1 for a run in the main process alone.

    Parameters
    ----------
    plan : MemoryPlan
    subjects : sequence of str
    n_processes : int
        Requested number.

    Returns
    -------
    int
        At least 1.
    """
    if n_processes == 1 or len(subjects) == 1:
        return 1
    return max(1, plan.count_workers(n_processes, subjects))
