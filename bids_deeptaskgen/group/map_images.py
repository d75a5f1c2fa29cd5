"""Images of the maps of a group for its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.group.contrast_statistics import ContrastStatistics
from bids_deeptaskgen.group.differences import ALPHA
from bids_deeptaskgen.group.qc_fc import fd_map
from bids_deeptaskgen.group.second_level import EffectMaps
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.report.group_content import MapGroup
from bids_deeptaskgen.report.map_images import map_images, sd_slices
from bids_deeptaskgen.report.participant_content import MapContent
from bids_deeptaskgen.report.surface import SurfaceSampler, make_surface_sampler

MEAN = "Mean over participants"
FD_R = "Correlation with mean FD (r)"
_EXPLANATIONS = {
    MEAN: "Mean and standard deviation over participants of their predicted maps. A mean is no test: "
    "predictions have no valid null hypothesis of no activation.",
    FD_R: "Pearson correlation over participants of the map with mean framewise displacement (QC-FC). "
    "Large values mean that differences between participants go with motion: motion itself, or what goes "
    "with it, such as age, disease or site. 0 where fewer than 10 participants have a value.",
}

_EFFECT = (
    "t of a difference between participants (or of their sessions), in voxels with values of all "
    "participants. Values below the smallest |t| with q < 0.05 (false discovery rate within the map) are "
    "hidden at first."
)


@dataclass(frozen=True)
class MapWords:
    """Words on the maps of a kind.

    Attributes
    ----------
    title, explanation : str
    units : str
    is_predicted : bool
        Whether values are in the units of predicted maps.
    effect : str
        Title of the tested effect; empty for other maps.
    """

    title: str
    explanation: str
    units: str
    is_predicted: bool = False
    effect: str = ""


class MapPictures:
    """Images of maps, by kind of map and contrast."""

    def __init__(self) -> None:
        self._maps: dict[str, list[MapContent]] = {}
        self._words: dict[str, MapWords] = {}
        self._facts: dict[str, dict[str, Mapping[str, str]]] = {}
        self._thresholds: dict[str, dict[str, float]] = {}

    def add(
        self, contrast: Contrast, units: str, statistics: ContrastStatistics, n_participants: int
    ) -> None:
        """Add the mean map of a contrast with its SD, and its correlation with FD if there is one.

        Parameters
        ----------
        contrast : Contrast
        units : str
            Units of the predicted maps.
        statistics : ContrastStatistics
        n_participants : int
        """
        sampler = make_surface_sampler(statistics.count > 0)
        slices, limit = sd_slices(statistics.sd, sampler.mask)
        content = MapContent(
            **_contrast_fields(contrast, units),
            images=map_images(statistics.mean, sampler),
            sd_slices=slices,
            sd_limit=limit,
            sd_meaning=f"over {quantity(n_participants, 'participant')}",
        )
        self._append(MapWords(MEAN, _EXPLANATIONS[MEAN], units, is_predicted=True), content)
        fd_r = fd_map(statistics)
        if fd_r is not None:
            words = MapWords(FD_R, _EXPLANATIONS[FD_R], "Pearson r")
            self.add_map(words, contrast, fd_r, sampler)

    def add_effect(self, contrast: Contrast, title: str, maps: EffectMaps, tested: NDArray[np.bool_]) -> None:
        """Add the t map of an effect.

        Parameters
        ----------
        contrast : Contrast
        title : str
            Of the effect.
        maps : EffectMaps
        tested : boolean array of shape (91, 109, 91)
        """
        words = MapWords(f"Effect of {title} (t)", _EFFECT, "t", effect=title)
        is_significant = maps.q < ALPHA
        threshold = np.abs(maps.t[is_significant]).min() if is_significant.any() else None
        facts = {
            "Voxels with q < 0.05": str(int(is_significant.sum())),
            "Smallest |t| with q < 0.05": "none" if threshold is None else f"{threshold:.2f}",
        }
        # Colours reach the largest |t|: the threshold may be beyond the usual end of the colours.
        limit = None if threshold is None else float(np.nanmax(np.abs(maps.t)))
        self.add_map(words, contrast, maps.t, make_surface_sampler(tested), facts, limit)
        if threshold is not None:
            self._thresholds.setdefault(words.title, {})[contrast.label] = float(threshold)

    def add_map(
        self,
        words: MapWords,
        contrast: Contrast,
        values: NDArray[np.floating],
        sampler: SurfaceSampler,
        facts: Mapping[str, str] | None = None,
        limit: float | None = None,
    ) -> None:
        """Add a map of another kind, such as t of an effect.

        Parameters
        ----------
        words : MapWords
        contrast : Contrast
        values : array of shape (91, 109, 91)
        sampler : SurfaceSampler
            Of the voxels with values.
        facts : dict of str to str, optional
            Further facts for the page.
        limit : float, optional
            Magnitude that has the end colour.
        """
        images = map_images(values, sampler, limit)
        content = MapContent(**_contrast_fields(contrast, words.units), images=images)
        self._append(words, content)
        if facts:
            self._facts.setdefault(words.title, {})[contrast.label] = facts

    def _append(self, words: MapWords, content: MapContent) -> None:
        self._words[words.title] = words
        self._maps.setdefault(words.title, []).append(content)

    @property
    def groups(self) -> list[MapGroup]:
        """Return the maps of each kind, in the order in which the kinds were added."""
        return [
            MapGroup(
                title=title,
                explanation=words.explanation,
                maps=self._maps[title],
                facts=self._facts.get(title, {}),
                is_predicted=words.is_predicted,
                thresholds=self._thresholds.get(title, {}),
                effect=words.effect,
            )
            for title, words in self._words.items()
        ]


def _contrast_fields(contrast: Contrast, units: str) -> dict[str, Any]:
    return {
        "label": contrast.label,
        "task": contrast.task,
        "source_name": contrast.source_name,
        "units": units,
        "retest_r": contrast.retest_r,
    }
