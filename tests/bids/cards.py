"""Model card for tests."""

from dataclasses import replace

from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.card import Card, CardGrid
from bids_deeptaskgen.models.contrasts import load_contrasts


def card(**changes: object) -> Card:
    """Return a model card, with some fields replaced."""
    default = Card(
        name="tiny",
        description="A network.",
        architecture=Architecture("attentionunet", 50, 47, 4, 1, 1, True),
        contrasts=load_contrasts(),
        roi_set="spheres",
        grid=CardGrid(),
        units="z",
        input_mask="brain",
        window_minutes=7.2,
        training="simulated participants",
        licence="Apache-2.0",
        citation="none",
        parent=None,
        for_science=True,
        notice="",
        mean_roi_connectome=None,
        sha256={"weights.safetensors": "ab" * 32},
    )
    return replace(default, **changes)
