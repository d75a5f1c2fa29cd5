"""Analysis of a set: every contrast in turn, its files, and the content of the page."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.results import ResultFault
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.contrast_statistics import ContrastStatistics, compute_statistics
from bids_deeptaskgen.group.individuality import (
    Identification,
    MeanMatrix,
    compute_icc,
    mean_off_diagonal,
)
from bids_deeptaskgen.group.map_images import MapPictures
from bids_deeptaskgen.group.map_rows import fill_rows
from bids_deeptaskgen.group.prepared_set import PreparedSet
from bids_deeptaskgen.group.qc_fc import relate_maps
from bids_deeptaskgen.group.selection import batch_contrasts, restrict_contrasts
from bids_deeptaskgen.group.write_maps import write_statistics
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.report.group_content import IccRow, QcFcRow

logger = logging.getLogger("bids_deeptaskgen")

# Contrasts of 4-D images that are read together, and share of the free disk space that their rows may take.
MAX_CONTRASTS_PER_PASS = 8
_DISK_SHARE = 0.5
# Voxels of a brain at 2 mm, of which a row has 4 bytes each.
_ROW_BYTES = 240_000 * 4


@dataclass(frozen=True)
class SimilarityRow:
    """Mean similarity of different participants in a contrast.

    Attributes
    ----------
    contrast : str
    n_participants : int
    mean_r, mean_r_deviations : float
        Of maps, and of maps minus the mean over participants.
    """

    contrast: str
    n_participants: int
    mean_r: float
    mean_r_deviations: float


@dataclass
class SetResults:
    """Results of the contrasts of a set.

    Attributes
    ----------
    pictures : MapPictures or None
        Images for the page; None without a page.
    identification : Identification
    n_participants : dict of str to int
        Participants in the mean, by contrast.
    similarity, similarity_deviations : MeanMatrix
        Mean over contrasts.
    similarity_rows, qc_fc, icc : list
        Rows of tables.
    """

    pictures: MapPictures | None
    identification: Identification
    n_participants: dict[str, int] = field(default_factory=dict)
    similarity: MeanMatrix = field(default_factory=MeanMatrix)
    similarity_deviations: MeanMatrix = field(default_factory=MeanMatrix)
    similarity_rows: list[SimilarityRow] = field(default_factory=list)
    qc_fc: list[QcFcRow] = field(default_factory=list)
    icc: list[IccRow] = field(default_factory=list)

    def add(self, label: str, statistics: ContrastStatistics, prepared: PreparedSet) -> None:
        """Add the results of a contrast."""
        self.similarity.add(statistics.similarity)
        self.similarity_deviations.add(statistics.similarity_deviations)
        self.similarity_rows.append(
            SimilarityRow(
                label,
                int(np.isfinite(np.diagonal(statistics.similarity)).sum()),
                mean_off_diagonal(statistics.similarity),
                mean_off_diagonal(statistics.similarity_deviations),
            )
        )
        self.identification.add(label, statistics)
        if prepared.request.fd_mm is not None:
            self.qc_fc.append(relate_maps(label, statistics))
        if prepared.complete and prepared.parcels and statistics.roi_means is not None:
            names = dict(enumerate(prepared.parcels.names, 1))
            self.icc += compute_icc(label, statistics.roi_means, prepared.complete, names)


def analyse_set(
    output: Path,
    staging: Path,
    prepared: PreparedSet,
    labels: Sequence[str],
    faults: list[ResultFault],
    *,
    has_page: bool,
) -> SetResults:
    """Compute the statistics of every contrast of a set, and write its maps.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    staging : Path
        Folder for the files, with the layout of the dataset; also for temporary files.
    prepared : PreparedSet
    labels : sequence of str
        Requested contrasts; empty for all.
    faults : list of ResultFault
        Maps that cannot be used are added.
    has_page : bool
        Whether images for the page are made.

    Returns
    -------
    SetResults
    """
    group_set = prepared.group_set
    contrasts = restrict_contrasts(group_set, labels)
    results = SetResults(
        MapPictures() if has_page else None, Identification(prepared.request.pairs)
    )
    n_per_pass = contrasts_per_pass(staging, prepared.plan.n_rows)
    for batch in batch_contrasts(group_set.results[0].maps, contrasts, n_per_pass):
        with ExitStack() as files:
            rows = {
                label: files.enter_context(
                    VoxelRows(staging / f".rows_{label}", prepared.plan.n_rows, OUTPUT_GRID.shape)
                )
                for label in batch
            }
            usable = fill_rows(output, group_set.results, prepared.plan, rows, faults)
            for label in batch:
                if usable[label]:
                    _finish_contrast(output, staging, prepared, label, rows[label], results)
                    results.n_participants[label] = len(usable[label])
                    logger.info(
                        "%s: %d participants (%d of %d contrasts)",
                        label, len(usable[label]), contrasts.index(label) + 1, len(contrasts),
                    )  # fmt: skip
                else:
                    logger.error("%s: no map of this contrast can be used, so no average is written.", label)
    return results


def contrasts_per_pass(folder: Path, n_rows: int) -> int:
    """Return the number of contrasts whose rows fit into half of the free disk space.

    Parameters
    ----------
    folder : Path
        Folder of the temporary files.
    n_rows : int
        Number of maps of a contrast.

    Returns
    -------
    int
        From 1 to ``MAX_CONTRASTS_PER_PASS``.
    """
    free = shutil.disk_usage(folder).free * _DISK_SHARE
    return max(1, min(MAX_CONTRASTS_PER_PASS, int(free // (_ROW_BYTES * max(n_rows, 1)))))


def _finish_contrast(
    output: Path, staging: Path, prepared: PreparedSet, label: str, rows: VoxelRows, results: SetResults
) -> None:
    """Compute and write the statistics of a contrast from its rows."""
    group_set = prepared.group_set
    statistics = compute_statistics(rows, prepared.request)
    contrast, units = contrast_of(output, group_set.results, label)
    n_participants = int(statistics.count.max())
    write_statistics(staging, group_set, contrast, statistics, units, n_participants)
    results.add(label, statistics, prepared)
    if results.pictures:
        results.pictures.add(contrast, units, statistics, n_participants)
