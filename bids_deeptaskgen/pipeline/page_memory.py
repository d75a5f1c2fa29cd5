"""Memory of a run that makes pages only (``--reports-only``), which needs neither torch nor ROI maps."""

from dataclasses import dataclass

from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import MEAN_STATMAPS, Bundle
from bids_deeptaskgen.pipeline.memory_plan import (
    GIB,
    LIBRARIES_GB,
    PLOTS_GB,
    SERVERS_GB,
    MemoryLimit,
    largest_page,
    memory_for_nodes,
    page_bytes,
)

_FLOAT32 = 4
# Of the main process, which has the libraries, too.
_MAIN_GB = LIBRARIES_GB + SERVERS_GB


@dataclass(frozen=True)
class PageMemory:
    """Memory of the processes of a run that makes pages only.

    Attributes
    ----------
    bundle : Bundle or None
        Model of the maps, whose mean maps each process reads once.
    limit : MemoryLimit or None
    reports : {"full", "qc"}
    is_4d : bool
        The maps of a session may be in one image.
    """

    bundle: Bundle | None
    limit: MemoryLimit | None
    reports: str
    is_4d: bool = False

    @property
    def idle_gb(self) -> float:
        """Return the memory that a worker keeps while it waits for its next page."""
        if self.bundle is None or MEAN_STATMAPS not in self.bundle.card.sha256:
            return LIBRARIES_GB + PLOTS_GB
        n_values = self.bundle.card.architecture.out_channels * int(self.bundle.output_mask.sum())
        return LIBRARIES_GB + PLOTS_GB + n_values * _FLOAT32 / GIB

    @property
    def page_gb(self) -> float:
        """Return the memory of a process while it makes a page."""
        architecture = self.bundle.card.architecture if self.bundle else Architecture()
        shapes = [largest_page(is_4d=self.is_4d)]
        return self.idle_gb + page_bytes(self.reports, architecture.out_channels, shapes) / GIB

    def count_workers(self, n_processes: int) -> int:
        """Count the workers that fit beside the main process, all of which make pages.

        Parameters
        ----------
        n_processes : int
            Requested number.

        Returns
        -------
        int
            0 if none fits.
        """
        if self.limit is None:
            return n_processes
        return max(0, min(n_processes, int((self.limit.gb - _MAIN_GB) // self.page_gb)))

    def schedulable_gb(self, n_workers: int) -> float:
        """Return the memory for pages, beyond what each worker keeps while it waits.

        Parameters
        ----------
        n_workers : int

        Returns
        -------
        float
            In GiB.
        """
        return memory_for_nodes(self.limit, _MAIN_GB, self.idle_gb, n_workers)
