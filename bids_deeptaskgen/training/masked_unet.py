"""A network between the voxels of masks, as training uses it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bids_deeptaskgen.nn.unet import UNet


class MaskedUNet(nn.Module):
    """A network that takes and gives the voxels of masks only.

    Parameters
    ----------
    network : UNet
    brain_mask, output_mask : boolean array of shape (x, y, z)
        Voxels of the connectome; voxels that are predicted.
    input_mask : {"brain", "gm"}
        Whether the network is shown all of the connectome, or what is in the output mask too.
    """

    shown: Tensor  # numbers of the connectome's voxels that the network sees
    inside: Tensor  # their places in the box, and those of the voxels that are predicted
    wanted: Tensor

    def __init__(
        self,
        network: UNet,
        brain_mask: NDArray[np.bool_],
        output_mask: NDArray[np.bool_],
        *,
        input_mask: str = "brain",
    ) -> None:
        super().__init__()
        self.network = network
        self.box = brain_mask.shape
        brain, output = (torch.tensor(mask).flatten() for mask in (brain_mask, output_mask))
        shown = output[brain] if input_mask == "gm" else torch.ones(int(brain.sum()), dtype=torch.bool)
        places = {
            "shown": shown.nonzero()[:, 0],
            "inside": brain.nonzero()[:, 0][shown],
            "wanted": output.nonzero()[:, 0],
        }
        for name, place in places.items():
            self.register_buffer(name, place, persistent=False)

    def forward(self, connectomes: Tensor) -> Tensor:
        """Map (n, n_rois, n_brain_voxels) to (n, n_contrasts, n_output_voxels)."""
        rows = connectomes[:, :, self.shown].transpose(1, 2)
        n_participants, _, n_rois = rows.shape
        # Channels last: the layout in which the convolutions are fastest.
        box = rows.new_zeros((n_participants, self.box[0] * self.box[1] * self.box[2], n_rois))
        box[:, self.inside] = rows
        features = self.network.features(box.view(n_participants, *self.box, n_rois).permute(0, 4, 1, 2, 3))
        rows = features.permute(0, 2, 3, 4, 1).flatten(1, 3).index_select(1, self.wanted)
        maps: Tensor = self.network.head(rows).transpose(1, 2)
        return maps
