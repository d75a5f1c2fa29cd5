"""Maps of a session from the predictions of its windows, runs and resamples, one set in memory at a time."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.output.window_halves import map_blocks
from bids_deeptaskgen.connectome.coverage import region_without_signal, signal_of_connectomes
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.pipeline.extra_connectomes import BOOTSTRAP, RUNS
from bids_deeptaskgen.pipeline.records import Record
from bids_deeptaskgen.stats.block_means import BlockMeans
from bids_deeptaskgen.stats.map_agreement import (
    Agreement,
    PairSum,
    Reference,
    ResampleAgreement,
    WindowAgreement,
)

Floats = NDArray[np.float32]
Predictions = Iterator[Floats | Exception]


class CoarseHalves(NamedTuple):
    """Coarse mean maps of the first and the second half of the windows of a session.

    Attributes
    ----------
    values : float32 array of shape (2, n_contrasts, n_blocks)
        See `bids.output.window_halves`; NaN for blocks without values.
    n_windows : tuple of (int, int)
        Windows in each half.
    """

    values: Floats
    n_windows: tuple[int, int]


class PredictedMaps(NamedTuple):
    """Maps of one session, in the card's units, as arrays of shape (n_contrasts, n_output_voxels).

    Attributes
    ----------
    mean : float32 array
        Mean of the predictions from single windows.
    sd : float32 array or None
        Standard deviation over the windows; None for a single prediction.
    bootstrap_sd : float32 array or None
        Standard deviation over the resamples; None without a bootstrap.
    agreement : Agreement or None
        Between windows, runs and resamples; None if there is nothing to compare.
    halves : CoarseHalves or None
        None for a single window.
    """

    mean: Floats
    sd: Floats | None
    bootstrap_sd: Floats | None = None
    agreement: Agreement | None = None
    halves: CoarseHalves | None = None


def collect_maps(bundle: Bundle, record: Record, predictions: Iterable[Floats | Exception]) -> PredictedMaps:
    """Average the predictions of a session and compare them.

    The averages are those of the windows alone, whatever is compared.

    Parameters
    ----------
    bundle : Bundle
    record : Record
        Record of the session, whose connectome file exists.
    predictions : iterable of array of shape (n_contrasts, n_output_voxels), or Exception
        In the order of the connectomes: of the maps, then the extra ones by kind.

    Returns
    -------
    PredictedMaps

    Raises
    ------
    Exception
        The first among the predictions.
    """
    from bids_deeptaskgen.nn.predict import mean_and_sd

    facts, remaining = record.facts, iter(predictions)
    n_maps, extra = facts["n_connectomes"], facts.get("extra", {})
    if n_maps == 1 and not extra:
        return PredictedMaps(*mean_and_sd(remaining))
    reference = _reference(bundle, record)
    windows = WindowAgreement(reference, facts["n_windows"], len(facts["runs"]))
    map_predictions, halves = islice(remaining, n_maps), None
    if n_maps > 1:
        sums = _HalfSums(map_blocks(bundle.output_mask)[0], reference.voxels, n_maps)
        map_predictions = _observed(_observed(map_predictions, windows.add), sums.add)
        mean, sd = mean_and_sd(map_predictions)
        halves = sums.means()
    else:
        mean, sd = mean_and_sd(map_predictions)
    run_r, bootstrap_r, bootstrap_sd = windows.run_r(), None, None
    if n_runs := extra.get(RUNS, 0):
        run_r = _compare_runs(islice(remaining, n_runs), reference)
    if n_resamples := extra.get(BOOTSTRAP, 0):
        resamples = ResampleAgreement(reference, mean)
        _, bootstrap_sd = mean_and_sd(_observed(islice(remaining, n_resamples), resamples.add))
        bootstrap_r = resamples.mean_r()
    agreement = Agreement(
        minus_mean_maps=reference.mean_maps is not None,
        voxels=reference.voxels,
        n_windows=n_maps,
        n_runs=len(facts["runs"]),
        n_resamples=n_resamples,
        window_r=windows.window_r(),
        split_half_r=windows.split_half_r(),
        run_r=run_r,
        bootstrap_r=bootstrap_r,
    )
    return PredictedMaps(mean, sd, bootstrap_sd, agreement, halves)


class _HalfSums:
    """Sums of the block means of the windows, for each half of them: linear, so no full maps are kept."""

    def __init__(self, blocks: BlockMeans, voxels: NDArray[np.bool_] | None, n_windows: int) -> None:
        self._blocks, self._voxels = blocks, voxels
        n_first = (n_windows + 1) // 2
        self._numbers = (n_first, n_windows - n_first)
        self._sums: list[Any] = [0, 0]
        self._n_added = 0

    def add(self, maps: Floats) -> None:
        half = int(self._n_added >= self._numbers[0])
        self._sums[half] = self._sums[half] + self._blocks.apply(maps, self._voxels)
        self._n_added += 1

    def means(self) -> CoarseHalves:
        means = [total / np.float32(n) for total, n in zip(self._sums, self._numbers, strict=True)]
        return CoarseHalves(np.array(means, np.float32), self._numbers)


def _compare_runs(predictions: Predictions, reference: Reference) -> NDArray[np.float64] | None:
    runs = PairSum(reference)
    for _ in _observed(predictions, runs.add):
        pass
    return runs.mean_r()


def _observed(
    predictions: Iterator[Floats | Exception] | Iterator[Floats], observe: Callable[[Floats], Any]
) -> Iterator[Floats]:
    """Yield the predictions after they were observed; raise exceptions among them."""
    for maps in predictions:
        if isinstance(maps, Exception):
            raise maps
        observe(maps)
        yield maps


def _reference(bundle: Bundle, record: Record) -> Reference:
    """Read the mean maps, and find the voxels with values."""
    voxels = None
    if record.facts["metrics"]["share_without_values"]:
        voxels = ~missing_region(bundle, map_connectomes(record))
    return Reference(bundle.mean_statmaps(), voxels)


def map_connectomes(record: Record) -> Floats:
    """Open the connectomes from which the maps of a session are predicted, without the extra ones.

    Parameters
    ----------
    record : Record

    Returns
    -------
    memory map of shape (n_connectomes, n_rois, n_voxels)
    """
    connectomes: Floats = np.load(record.connectome, mmap_mode="r")
    return connectomes[: record.facts["n_connectomes"]]


def missing_region(bundle: Bundle, connectomes: Floats) -> NDArray[np.bool_]:
    """Find the voxels of the maps in large regions without signal.

    Parameters
    ----------
    bundle : Bundle
    connectomes : array of shape (n_connectomes, n_rois, n_voxels)
        From which the maps were predicted.

    Returns
    -------
    boolean array of shape (n_output_voxels,)
        See `connectome.coverage.region_without_signal`.
    """
    in_map = bundle.output_mask[bundle.brain_mask]
    region: NDArray[np.bool_] = region_without_signal(signal_of_connectomes(connectomes), bundle.brain_mask)[
        in_map
    ]
    return region
