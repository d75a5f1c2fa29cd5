"""The settings of a new network's shape: what ``train`` and ``models new`` have in common."""

from dataclasses import dataclass
from functools import partial

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import at_least, between

_network = partial(option, group="choose model", science=True)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Settings):
    """Shape of a new network; the defaults are those of the published one."""

    architecture: str = _network(
        "attentionunet",
        choices=("attentionunet", "attentionunetminimal", "unet", "unetminimal", "resunet"),
        help="kind of the network",
    )
    fdim: int = _network(64, check=at_least(1), help="channels at full resolution; each level doubles them")
    max_level: int = _network(1, check=between(1, 5), help="levels above the bottleneck")
    n_conv: int = _network(1, check=at_least(1), help="convolutions of a block")
