"""Kernels of maps as features."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bids_deeptaskgen.biomarkers.features.reader import FeatureReader
from bids_deeptaskgen.biomarkers.problem import KernelFeatures
from bids_deeptaskgen.errors import InputError, abbreviate, quantity
from bids_deeptaskgen.settings.biomarkers import FeatureSource
from bids_deeptaskgen.stats.linear_kernel import MAX_BYTES, ReadRows, linear_kernel


@dataclass(frozen=True, kw_only=True)
class MapReader(FeatureReader):
    """Participants with maps, which become features as a kernel.

    Attributes
    ----------
    source : FeatureSource
    max_bytes : int
        Memory for maps.
    """

    source: FeatureSource
    max_bytes: int = MAX_BYTES

    def read(self, labels: Sequence[str], *, is_published: bool = False) -> KernelFeatures:
        """Compute the kernel of the maps of participants.

        Parameters
        ----------
        labels, is_published
            See `FeatureReader.read`.

        Returns
        -------
        KernelFeatures

        Raises
        ------
        InputError
            If the maps cannot be read, or do not differ between participants.
        """
        readers = self._row_readers(labels)
        return make_kernel(self.source, labels, readers, is_published=is_published, max_bytes=self.max_bytes)

    @abstractmethod
    def _row_readers(self, labels: Sequence[str]) -> dict[str, ReadRows]:
        """Return a function by contrast that reads maps of these participants; see `linear_kernel`."""


def make_kernel(
    source: FeatureSource,
    participants: Sequence[str],
    readers: Mapping[str, ReadRows],
    *,
    is_published: bool,
    max_bytes: int = MAX_BYTES,
) -> KernelFeatures:
    """Compute the kernel of the maps of participants, summed over contrasts.

    Parameters
    ----------
    source : FeatureSource
    participants : sequence of str
        Labels without ``sub-`` of the maps that `readers` read.
    readers : dict of str to callable
        By contrast; see `linear_kernel`.
    is_published : bool
        Whether the products without scales are needed, too.
    max_bytes : int
        Memory for maps.

    Returns
    -------
    KernelFeatures

    Raises
    ------
    InputError
        If the maps of a contrast do not differ between participants.
    """
    sums = linear_kernel(
        list(readers.values()), len(participants), with_unscaled=is_published, max_bytes=max_bytes
    )
    constant = [label for label, scale in zip(readers, sums.scales, strict=True) if not scale]
    if constant:
        message = (
            f"`features` {source.name}: the maps of {abbreviate(constant)} in {source.path} are the same for "
            f"all {quantity(len(participants), 'participant')}.\nOmit this contrast."
        )
        raise InputError(message)
    contents = f"{quantity(len(readers), 'contrast')} ({abbreviate(list(readers))}), {sums.n_voxels:,} values"
    return KernelFeatures(
        name=source.name,
        participants=tuple(participants),
        kernel=sums.values,
        unscaled_kernel=sums.unscaled_values,
        n_features=sums.n_voxels,
        description=f"maps of {contents}, of {source.path}",
        scale=sums.scales[0] if len(sums.scales) == 1 else None,
    )
