"""Analysis of a set: every contrast in turn, its files, and the content of the page."""

import logging
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.contrast_statistics import ContrastStatistics, compute_statistics
from bids_deeptaskgen.group.differences import ContrastTest, effect_row
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
from bids_deeptaskgen.group.second_level import PermutationMaps, SecondLevelFit
from bids_deeptaskgen.group.selection import Selection, batch_contrasts, restrict_contrasts
from bids_deeptaskgen.group.write_maps import write_effect, write_statistics
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.report.group_content import EffectRow, IccRow, QcFcRow
from bids_deeptaskgen.settings.flags import with_flags

logger = logging.getLogger("bids_deeptaskgen")

# Contrasts of 4-D images that are read together, and share of the free disk space that their rows may take.
MAX_CONTRASTS_PER_PASS = 8
_DISK_SHARE = 0.5
# A note names the participants who lack voxels if more than this share of the voxels is not tested.
MAX_LOSS = 0.02
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
    similarity_rows, qc_fc, icc, effects : list
        Rows of tables.
    contrasts_by_note : dict of str to list of str
        Notes on the tests, with the labels of their contrasts.
    untested : list of str
        Contrasts that cannot be tested.
    written_rows : set of int
        Rows with a map of any contrast; see `map_rows.RowPlan`.
    """

    pictures: MapPictures | None
    identification: Identification
    n_participants: dict[str, int] = field(default_factory=dict)
    similarity: MeanMatrix = field(default_factory=MeanMatrix)
    similarity_deviations: MeanMatrix = field(default_factory=MeanMatrix)
    similarity_rows: list[SimilarityRow] = field(default_factory=list)
    qc_fc: list[QcFcRow] = field(default_factory=list)
    icc: list[IccRow] = field(default_factory=list)
    effects: list[EffectRow] = field(default_factory=list)
    contrasts_by_note: dict[str, list[str]] = field(default_factory=dict)
    untested: list[str] = field(default_factory=list)
    written_rows: set[int] = field(default_factory=set)

    @property
    def notes(self) -> list[str]:
        """Return the notes on the tests, each with its contrasts."""
        return [f"{abbreviate(labels)}: {note}" for note, labels in self.contrasts_by_note.items()]

    def add_note(self, label: str, note: str) -> None:
        """Add a note on the test of a contrast; equal notes of several contrasts are one.

        Parameters
        ----------
        label, note : str
        """
        self.contrasts_by_note.setdefault(note, []).append(label)

    def add(self, label: str, statistics: ContrastStatistics, prepared: PreparedSet) -> None:
        """Add the results of a contrast.

        Parameters
        ----------
        label : str
        statistics : ContrastStatistics
        prepared : PreparedSet
        """
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
        self.identification.add(label, statistics.pair_r, statistics.pair_r_deviations)
        if prepared.request.fd_mm is not None:
            self.qc_fc.append(relate_maps(label, statistics))
        if prepared.complete and prepared.parcels and statistics.roi_means is not None:
            names = dict(enumerate(prepared.parcels.names, 1))
            self.icc += compute_icc(label, statistics.roi_means, prepared.complete, names)


# Threads of BLAS wait for each other on a busy machine, and gain little on an idle one.
@threadpool_limits.wrap(limits=1, user_api="blas")
def analyse_set(
    output: Path,
    staging: Path,
    prepared: PreparedSet,
    selection: Selection,
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
    selection : Selection
        Requested contrasts. Maps that cannot be used are added to its faults.
    has_page : bool
        Whether images for the page are made.

    Returns
    -------
    SetResults
    """
    group_set = prepared.group_set
    contrasts = restrict_contrasts(group_set, selection.contrasts)
    results = SetResults(
        MapPictures() if has_page else None, Identification([pair.title for pair in prepared.request.pairs])
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
            written_rows = fill_rows(output, group_set.results, prepared.plan, rows, selection.faults)
            for label in batch:
                results.written_rows |= written_rows[label]
                n_usable = sum(row < len(prepared.plan.participants) for row in written_rows[label])
                if n_usable:
                    results.n_participants[label] = n_usable
                    contrast, units = contrast_of(output, group_set.results, label)
                    finish = ContrastStep(staging, prepared, contrast, units, results)
                    finish.describe(rows[label], written_rows[label], n_usable)
                    finish.test(rows[label], written_rows[label])
                    logger.info(
                        "%s: %d participants (%d of %d contrasts)",
                        label, n_usable, contrasts.index(label) + 1, len(contrasts),
                    )  # fmt: skip
                else:
                    logger.error("%s: no map of this contrast can be used, so no average is written.", label)
    return results


def check_disk_space(folder: Path, n_rows: int, n_table_bytes: int = 0, output: Path | None = None) -> None:
    """Check that the rows of a contrast and the ROI tables fit on the disk, before anything is computed.

    Parameters
    ----------
    folder : Path
        Folder of the temporary files.
    n_rows : int
        Number of maps of a contrast, in the largest set.
    n_table_bytes : int
        Size of the ROI tables of all sets.
    output : Path, optional
        Root of the dataset, to which the tables are copied if it is on another disk.

    Raises
    ------
    UserError
        If they do not.
    """
    n_required, n_free = _ROW_BYTES * n_rows + n_table_bytes, shutil.disk_usage(folder).free
    if n_required > n_free:
        tables = f", {n_table_bytes / 1e9:.1f} GB of them for ROI tables" if n_table_bytes else ""
        message = (
            f"{folder.parent}: {n_rows} maps of a contrast need about {n_required / 1e9:.1f} GB for "
            f"temporary files{tables}, and {n_free / 1e9:.1f} GB are free.\n"
            "Free some space, or choose another folder with `work_dir`."
        )
        raise UserError(message)
    if output is None or output.stat().st_dev == folder.stat().st_dev:
        return
    n_free = shutil.disk_usage(output).free
    if n_table_bytes > n_free:
        message = (
            f"{output}: the ROI tables need up to {n_table_bytes / 1e9:.1f} GB, and {n_free / 1e9:.1f} GB "
            "are free.\nFree some space, or leave out atlases or contrasts."
        )
        raise UserError(message)


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
    n_bytes = shutil.disk_usage(folder).free * _DISK_SHARE
    return max(1, min(MAX_CONTRASTS_PER_PASS, int(n_bytes // (_ROW_BYTES * max(n_rows, 1)))))


@dataclass(frozen=True)
class ContrastStep:
    """Statistics and tests of a contrast, from its rows to its files.

    Attributes
    ----------
    staging : Path
        Folder for the files.
    prepared : PreparedSet
    contrast : Contrast
    units : str
        Units of the predicted maps.
    results : SetResults
        Results are added.
    """

    staging: Path
    prepared: PreparedSet
    contrast: Contrast
    units: str
    results: SetResults

    def describe(self, rows: VoxelRows, written_rows: set[int], n_participants: int) -> None:
        """Compute and write mean, SD, count and correlation with FD, and compute similarities.

        Parameters
        ----------
        rows : VoxelRows
        written_rows : set of int
            Rows with a map.
        n_participants : int
            Participants with a map.
        """
        statistics = compute_statistics(rows, self.prepared.request, written_rows)
        write_statistics(
            self.staging, self.prepared.group_set, self.contrast, statistics, self.units, n_participants
        )
        self.results.add(self.contrast.label, statistics, self.prepared)
        if self.results.pictures:
            self.results.pictures.add(self.contrast, self.units, statistics, n_participants)

    def test(self, rows: VoxelRows, written_rows: set[int]) -> None:
        """Test the effects of the design, if there is one, and write their maps.

        Parameters
        ----------
        rows : VoxelRows
        written_rows : set of int
            Rows with a map.
        """
        if self.prepared.design is None:
            return
        # Maps of a contrast that cannot be tested must not stop the tests of the others.
        try:
            contrast_test = ContrastTest(self.prepared.design, self.prepared.plan, written_rows)
        except UserError as error:
            self._note_no_test(f"participants of the design lack its map. {error}")
            return
        try:
            fit, permuted = contrast_test.run(rows)
        except InputError as error:
            self._note_no_test(str(error))
            return
        self._note_losses(fit, len(contrast_test.plan.participants))
        self._write_effects(contrast_test, fit, permuted)

    def _note_no_test(self, reason: str) -> None:
        """Record that the contrast cannot be tested."""
        message = f"not tested: {' '.join(reason.split())}"
        logger.error("%s: %s", self.contrast.label, with_flags(message))
        self.results.add_note(self.contrast.label, message)
        self.results.untested.append(self.contrast.label)

    def _write_effects(
        self, contrast_test: ContrastTest, fit: SecondLevelFit, permuted: Mapping[str, PermutationMaps]
    ) -> None:
        """Write the maps of the effects, and describe them."""
        label, n_participants = self.contrast.label, len(contrast_test.plan.participants)
        for effect in contrast_test.plan.effects:
            maps, corrected = fit.effects[effect.label], permuted.get(effect.label)
            self.results.effects.append(
                effect_row(label, effect.title, maps, fit.tested, corrected, contrast_test.plan)
            )
            values = {stat: getattr(maps, stat) for stat in ("t", "effect", "r", "p", "q")}
            if corrected is not None:
                values["pMaxT"] = corrected.p_max_t
                values |= {} if corrected.p_tfce is None else {"pTfce": corrected.p_tfce}
            facts = {
                "NumberOfParticipants": n_participants,
                "DegreesOfFreedom": contrast_test.plan.dof,
                "NumberOfTestedVoxels": fit.n_voxels,
                "Permutations": contrast_test.plan.request.n_permutations,
                "Columns": list(contrast_test.plan.columns),
                "Formula": contrast_test.plan.formula,
            }
            write_effect(self.staging, self.prepared.group_set, self.contrast, effect, values, facts)
            if self.results.pictures:
                self.results.pictures.add_effect(self.contrast, effect.title, maps, fit.tested)

    def _note_losses(self, fit: SecondLevelFit, n_participants: int) -> None:
        """Add notes on participants who lack the map, or cost many voxels."""
        label = self.contrast.label
        n_planned = len(self.prepared.design.participants) if self.prepared.design else n_participants
        if n_participants < n_planned:
            self.results.add_note(
                label,
                f"No usable map of {quantity(n_planned - n_participants, 'participant')} of the design.",
            )
        if note := describe_losses(fit):
            self.results.add_note(label, note)


def describe_losses(fit: SecondLevelFit) -> str:
    """Describe the voxels that are not tested, and the participants who lack them.

    Parameters
    ----------
    fit : SecondLevelFit

    Returns
    -------
    str
        Empty if at most ``MAX_LOSS`` of the voxels are lost.
    """
    if fit.n_voxels >= (1 - MAX_LOSS) * fit.n_any:
        return ""
    n_lost = fit.n_any - fit.n_voxels
    sentences = [f"{n_lost} of {fit.n_any} voxels with any value are not tested."]
    for participant, n_voxels in list(fit.lost_voxels.items())[:1]:
        if n_voxels > MAX_LOSS * fit.n_any:
            sentences.append(
                f"sub-{participant} alone has no value in {n_voxels} of them. Exclude this participant to "
                "test these."
            )
    if fit.lacking_voxels:
        names = [f"sub-{name} ({n_voxels})" for name, n_voxels in fit.lacking_voxels.items()]
        sentences.append(f"Voxels without a value by participant: {abbreviate(names)}.")
    else:
        sentences.append("The maps of all participants are equal there.")
    return " ".join(sentences)
