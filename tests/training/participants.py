"""Participants with random connectomes and maps, for networks in a tiny box."""

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
class RandomParticipant:
    """A participant with random data that follow from the name; the connectomes are noisy maps."""

    name: str
    n_windows: int = 2
    lacks: tuple[int, ...] = ()
    dtype: type = np.float32

    def _random(self, key):
        rng = np.random.default_rng([*map(ord, self.name), key])
        return rng.standard_normal((NETWORK.in_channels, int(BRAIN.sum())), np.float32)

    def connectome(self, window):
        """Draw a connectome, shape (n_rois, n_brain_voxels)."""
        return (self._random(0) + 0.3 * self._random(1 + window)).astype(self.dtype)

    def statmaps(self):
        """Draw the maps, shape (n_contrasts, n_output_voxels); NaN for missing contrasts."""
        maps = 2 * self._random(0)[: NETWORK.out_channels, OUTPUT[BRAIN]]
        maps[list(self.lacks)] = np.nan
        return maps.astype(self.dtype)


PARTICIPANTS = [RandomParticipant(f"sub-{number}") for number in range(5)]
VALIDATION = [RandomParticipant(f"sub-v{number}", 3) for number in range(3)]
SETTINGS = FitSettings(n_epochs=2, batch_size=2, learning_rate=0.01)


def new_module(architecture=NETWORK, seed=0, **changes):
    """Build a masked network with its first weights."""
    return MaskedUNet(new_network(architecture, seed), BRAIN, OUTPUT, **changes)


def fitted(settings=SETTINGS, participants=PARTICIPANTS, validation=VALIDATION, module=None, **more):
    """Fit in one process."""
    return fit(make_fabric("cpu"), module or new_module(), participants, validation, settings, **more)


def in_float64(participants):
    """Convert participants to float64, so that rounding is negligible."""
    return [replace(participant, dtype=np.float64) for participant in participants]


def without_seconds(log):
    """Return the lines of a log without their durations."""
    return [{key: value for key, value in vars(line).items() if key != "seconds"} for line in log]
