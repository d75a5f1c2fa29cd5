"""People with random connectomes and maps, for networks in a tiny box."""

from dataclasses import dataclass, replace

import numpy as np

from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.nn.unet import new_network
from bids_deeptaskgen.training.devices import make_fabric
from bids_deeptaskgen.training.fit import fit
from bids_deeptaskgen.training.fit_records import FitSettings
from bids_deeptaskgen.training.masked_unet import MaskedUNet

# A quarter of it, the network's coarsest map, has as many voxels along each axis as a kernel. With fewer,
# oneDNN leaves parts of the gradient of a bfloat16 kernel unwritten on processors with AVX-512.
BOX = (12, 13, 14)
NETWORK = Architecture(in_channels=3, out_channels=2, fdim=2)
_DRAWN = np.random.default_rng(0).random((2, *BOX))
BRAIN = _DRAWN[0] < 0.6
OUTPUT = BRAIN & (_DRAWN[1] < 0.7)


@dataclass(frozen=True)
class RandomPerson:
    """A person whose numbers follow from the name; the maps are in the connectomes, which vary about them."""

    name: str
    n_windows: int = 2
    lacks: tuple[int, ...] = ()
    dtype: type = np.float32

    def _random(self, what):
        rng = np.random.default_rng([*map(ord, self.name), what])
        return rng.standard_normal((NETWORK.in_channels, int(BRAIN.sum())), np.float32)

    def connectome(self, window):
        """Give (n_rois, n_brain_voxels)."""
        return (self._random(0) + 0.3 * self._random(1 + window)).astype(self.dtype)

    def statmaps(self):
        """Give (n_contrasts, n_output_voxels), NaN for contrasts that the person lacks."""
        maps = 2 * self._random(0)[: NETWORK.out_channels, OUTPUT[BRAIN]]
        maps[list(self.lacks)] = np.nan
        return maps.astype(self.dtype)


PEOPLE = [RandomPerson(f"sub-{number}") for number in range(5)]
VALIDATION = [RandomPerson(f"sub-v{number}", 3) for number in range(3)]
SETTINGS = FitSettings(n_epochs=2, batch_size=2, learning_rate=0.01)


def new_module(architecture=NETWORK, seed=0, **changes):
    """A network with its first weights between the masks."""
    return MaskedUNet(new_network(architecture, seed), BRAIN, OUTPUT, **changes)


def fitted(settings=SETTINGS, participants=PEOPLE, validation=VALIDATION, module=None, **more):
    """Fit in one process."""
    return fit(make_fabric("cpu"), module or new_module(), participants, validation, settings, **more)


def in_float64(participants):
    """The same people in float64, for a network in float64: rounding is then far below all else."""
    return [replace(participant, dtype=np.float64) for participant in participants]


def without_seconds(log):
    """Give the lines of a log without what differs between any two runs."""
    return [{key: value for key, value in vars(line).items() if key != "seconds"} for line in log]
