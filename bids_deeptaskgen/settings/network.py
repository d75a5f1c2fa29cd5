"""Settings of the architecture of a new model, shared by ``train`` and ``models new``."""

from dataclasses import dataclass
from functools import partial

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import at_least, in_range

RIDGE = "ridge"
_network = partial(option, group="choose model", affects_output=True)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Settings):
    """Architecture of a new model; the defaults are those of the published network."""

    architecture: str = _network(
        "attentionunet",
        choices=("attentionunet", "attentionunetminimal", "unet", "unetminimal", "resunet", RIDGE),
        help="type of the network; or ridge, which `deeptaskgen train` fits without a network: a ridge "
        "regression for cohorts of about 20 to 100 participants",
    )
    fdim: int = _network(64, check=at_least(1), help="channels at full resolution; each level doubles them")
    max_level: int = _network(1, check=in_range(1, 5), help="levels above the bottleneck")
    n_conv: int = _network(1, check=at_least(1), help="convolutions per block")
