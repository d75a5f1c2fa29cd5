"""Agreement of maps of one participant: between windows, halves, runs, sessions and resamples.

All correlations are Pearson r over voxels, contrast by contrast, of maps minus mean maps where these exist.
A set of maps has one row for each contrast. Sums are updated set by set, so that a few sets are in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]
Scores = NDArray[np.float64]

# A map whose SD is below this share of its root mean square is constant but for the rounding of float32.
_FLAT = 1e-6


@dataclass(frozen=True)
class Reference:
    """Mean maps to subtract, and the voxels to compare.

    Attributes
    ----------
    mean_maps : float32 array of shape (n_contrasts, n_voxels), or None
        Subtracted from all maps; None compares plain maps.
    voxels : boolean array of shape (n_voxels,), or None
        Voxels with values; None for all.
    """

    mean_maps: Maps | None = None
    voxels: NDArray[np.bool_] | None = None

    def unit_maps(self, maps: Maps) -> Iterator[Maps]:
        """Yield a row for each contrast, minus its mean map and demeaned, with a norm of 1.

        Parameters
        ----------
        maps : array of shape (n_contrasts, n_voxels)

        Yields
        ------
        float32 array of shape (n_compared_voxels,)
            NaN if the row is constant or not finite.
        """
        for contrast, values in enumerate(maps):
            row = values if self.mean_maps is None else values - self.mean_maps[contrast]
            row = row if self.voxels is None else row[self.voxels]
            deviation = row - row.mean(dtype=np.float64).astype(np.float32)
            norm = float(np.sqrt(_dot(deviation, deviation)))
            is_flat = not norm > _FLAT * float(np.sqrt(_dot(row, row)))
            deviation *= np.float32(np.nan if is_flat else 1 / norm)
            yield deviation


def _dot(first: Maps, second: Maps) -> float:
    """Sum the products of two rows in float64."""
    return float(np.multiply(first, second).sum(dtype=np.float64))


def pairwise_r(
    maps_a: Maps,
    maps_b: Maps,
    mean_maps: Maps | None = None,
    voxels: NDArray[np.bool_] | None = None,
) -> Scores:
    """Correlate two sets of maps contrast by contrast, for example of two sessions.

    Parameters
    ----------
    maps_a, maps_b : array of shape (n_contrasts, n_voxels)
    mean_maps : array of shape (n_contrasts, n_voxels), optional
        Subtracted from both sets.
    voxels : boolean array of shape (n_voxels,), optional
        Voxels to compare; by default all.

    Returns
    -------
    array of shape (n_contrasts,)
        Pearson r; NaN if a map is constant or not finite.

    Examples
    --------
    >>> maps = np.array([[1, 2, 3], [1, 2, 3]], np.float32)
    >>> pairwise_r(maps, np.array([[2, 4, 6], [3, 2, 1]], np.float32)).round(6)
    array([ 1., -1.])
    """
    reference = Reference(mean_maps, voxels)
    pairs = zip(reference.unit_maps(maps_a), reference.unit_maps(maps_b), strict=True)
    return np.array([_dot(first, second) for first, second in pairs])


def spearman_brown(half_r: Scores) -> Scores:
    """Compute the reliability of all data from the correlation of two halves: 2 r / (1 + r).

    Spearman (1910) and Brown (1910), British Journal of Psychology 3.

    Parameters
    ----------
    half_r : array
        Correlations of two halves of the same length.

    Returns
    -------
    array
        0 where the halves do not correlate positively; NaN where `half_r` is NaN.

    Examples
    --------
    >>> spearman_brown(np.array([0.5, -0.2])).round(3)
    array([0.667, 0.   ])
    """
    positive: Scores = np.maximum(half_r, 0.0)
    return 2 * positive / (1 + positive)


def relative_sd(sd: Maps, maps: Maps, voxels: NDArray[np.bool_] | None = None) -> Scores:
    """Compute the mean of an SD map relative to the SD of the map over voxels.

    Parameters
    ----------
    sd, maps : array of shape (n_contrasts, n_voxels)
        Uncertainty of each voxel, and the values.
    voxels : boolean array of shape (n_voxels,), optional
        By default all.

    Returns
    -------
    array of shape (n_contrasts,)
        NaN for a constant map.

    Examples
    --------
    >>> relative_sd(np.array([[0.5, 1.5]]), np.array([[3.0, 7.0]]))
    array([0.5])
    """
    ratios = np.full(len(maps), np.nan)
    for contrast, (uncertainty, values) in enumerate(zip(sd, maps, strict=True)):
        row = values if voxels is None else values[voxels]
        spread = row.std(dtype=np.float64)
        if spread > _FLAT * np.sqrt(_dot(row, row) / len(row)):
            selection = uncertainty if voxels is None else uncertainty[voxels]
            ratios[contrast] = selection.mean(dtype=np.float64) / spread
    return ratios


class PairSum:
    """Mean Pearson r over all pairs of sets of maps, from the sum of the normalised sets.

    With unit rows u_1 ... u_n, the mean over pairs of u_i'u_j is (|sum u_i|^2 - n) / (n (n - 1)).

    Parameters
    ----------
    reference : Reference
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._total: Maps | None = None
        self.n = 0

    def add(self, maps: Maps) -> None:
        """Add a set of maps.

        Parameters
        ----------
        maps : array of shape (n_contrasts, n_voxels)
        """
        for contrast, row in enumerate(self._reference.unit_maps(maps)):
            if self._total is None:
                self._total = np.zeros((len(maps), len(row)), np.float32)
            self._total[contrast] += row
        self.n += 1

    def mean_r(self) -> Scores | None:
        """Compute the mean over pairs: (n_contrasts,), or None for fewer than two sets."""
        if self._total is None or self.n < 2:
            return None
        squares = np.array([_dot(row, row) for row in self._total])
        mean: Scores = (squares - self.n) / (self.n * (self.n - 1))
        return mean


@dataclass
class WindowAgreement:
    """Agreement between the maps of windows, which are added in order, run after run.

    Attributes
    ----------
    reference : Reference
    n_windows_per_run : int
    n_runs : int
    """

    reference: Reference
    n_windows_per_run: int
    n_runs: int
    _windows: PairSum = field(init=False)
    _runs: PairSum = field(init=False)
    # Sums of the maps: of odd and even windows, and of the present run.
    _halves: list[Maps] = field(init=False, default_factory=list)
    _run: Maps | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._windows, self._runs = PairSum(self.reference), PairSum(self.reference)

    def add(self, maps: Maps) -> None:
        """Add the maps of the next window.

        Parameters
        ----------
        maps : array of shape (n_contrasts, n_voxels)
        """
        number = self._windows.n
        self._windows.add(maps)
        if number < 2:
            self._halves.append(maps.copy())
        else:
            self._halves[number % 2] += maps
        if self.n_runs > 1:
            self._add_to_run(maps, number % self.n_windows_per_run)

    def _add_to_run(self, maps: Maps, number: int) -> None:
        if self._run is None or number == 0:
            self._run = maps.copy()
        else:
            self._run += maps
        if number == self.n_windows_per_run - 1:
            self._run /= np.float32(self.n_windows_per_run)
            self._runs.add(self._run)
            self._run = None

    @property
    def n_windows(self) -> int:
        """Return the number of windows of all runs."""
        return self._windows.n

    def window_r(self) -> Scores | None:
        """Compute the mean r over pairs of windows; None for a single window."""
        return self._windows.mean_r()

    def run_r(self) -> Scores | None:
        """Compute the mean r over pairs of runs, of the mean map of each; None for a single run."""
        return self._runs.mean_r()

    def split_half_r(self) -> Scores | None:
        """Correlate the mean of odd and of even windows; None for a single window.

        Odd and even alternate through all windows, so that each run of an even number of windows is halved.
        """
        if self.n_windows < 2:
            return None
        n_odd = (self.n_windows + 1) // 2
        numbers = (n_odd, self.n_windows - n_odd)
        odd, even = (half / np.float32(n) for half, n in zip(self._halves, numbers, strict=True))
        return pairwise_r(odd, even, self.reference.mean_maps, self.reference.voxels)


class ResampleAgreement:
    """Mean r of the maps of resamples with the map of all data.

    Parameters
    ----------
    reference : Reference
    maps : array of shape (n_contrasts, n_voxels)
        Maps of all data.
    """

    def __init__(self, reference: Reference, maps: Maps) -> None:
        self._reference, self._maps = reference, maps
        self._total = np.zeros(len(maps))
        self._n = 0

    def add(self, maps: Maps) -> None:
        """Add the maps of a resample.

        Parameters
        ----------
        maps : array of shape (n_contrasts, n_voxels)
        """
        self._total += pairwise_r(maps, self._maps, self._reference.mean_maps, self._reference.voxels)
        self._n += 1

    def mean_r(self) -> Scores:
        """Compute the mean over resamples: (n_contrasts,)."""
        return self._total / self._n


@dataclass(frozen=True)
class Agreement:
    """Agreement of the maps of a session, contrast by contrast.

    Attributes
    ----------
    minus_mean_maps : bool
        False if plain maps were compared, which share the pattern of all participants.
    voxels : boolean array of shape (n_voxels,), or None
        Voxels that were compared; None for all.
    n_windows, n_runs, n_resamples : int
        Numbers of sets of maps that were compared.
    window_r, split_half_r, run_r, bootstrap_r : array of shape (n_contrasts,), or None
        None if there is nothing to compare.
    """

    minus_mean_maps: bool
    voxels: NDArray[np.bool_] | None = None
    n_windows: int = 1
    n_runs: int = 1
    n_resamples: int = 0
    window_r: Scores | None = None
    split_half_r: Scores | None = None
    run_r: Scores | None = None
    bootstrap_r: Scores | None = None

    @property
    def split_half_reliability(self) -> Scores | None:
        """Return the reliability of the mean of all windows by Spearman and Brown."""
        return None if self.split_half_r is None else spearman_brown(self.split_half_r)
