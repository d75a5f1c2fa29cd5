"""Details of the images of a group's page, so that the page stays small."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bids_deeptaskgen.report.group_content import MapGroup
from bids_deeptaskgen.report.participant_content import MapContent
from bids_deeptaskgen.report.viewer_data import Detail, map_data

# From fine to coarse.
DETAILS = (Detail(1, 4), Detail(1, 8), Detail(2, 4), Detail(2, 8), Detail(3, 8), Detail(4, 16))
# Maps that are converted to estimate the size of all; the margin covers maps that compress less.
N_SAMPLE = 8
MARGIN = 1.08


@dataclass(frozen=True)
class GroupImages:
    """Images of a group's page.

    Attributes
    ----------
    detail : Detail
    titles_left_out : sequence of str
        Groups of maps for which there is no space even with the coarsest images.
    """

    detail: Detail
    titles_left_out: Sequence[str] = ()


def choose_images(groups: Sequence[MapGroup], n_bytes: int) -> GroupImages:
    """Choose the finest details with which the images of all maps have space.

    Parameters
    ----------
    groups : sequence of MapGroup
        Of all sets.
    n_bytes : int
        Space.

    Returns
    -------
    GroupImages
        The first groups if the coarsest images of all have no space.

    Examples
    --------
    >>> choose_images([], 0).detail.step
    1
    """
    maps = [image for group in groups for image in group.maps]
    for detail in DETAILS:
        if len(maps) * _mean_size(maps, detail) * MARGIN <= n_bytes:
            return GroupImages(detail)
    titles: list[str] = []
    n_used = 0.0
    for group in groups:
        n_used += len(group.maps) * _mean_size(group.maps, DETAILS[-1]) * MARGIN
        if n_used > n_bytes:
            titles.append(group.title)
    return GroupImages(DETAILS[-1], list(dict.fromkeys(titles)))


def _mean_size(maps: Sequence[MapContent], detail: Detail) -> float:
    """Estimate the mean size of maps in bytes from maps at regular distances."""
    if not maps:
        return 0.0
    sample = maps[:: -(-len(maps) // N_SAMPLE)]
    return sum(len(json.dumps(map_data(image, (), detail))) for image in sample) / len(sample)
