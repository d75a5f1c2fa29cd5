"""The trained network, with inputs and outputs restricted to the voxels of masks."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bids_deeptaskgen.nn.unet import UNet


class MaskedUNet(nn.Module):
    """A network whose inputs and outputs are voxels of masks.

    Parameters
    ----------
    network : UNet
    brain_mask, output_mask : boolean array of shape (x, y, z)
        Voxels of the connectome; predicted voxels.
    input_mask : {"brain", "gm"}
        Whether the network reads all voxels of the connectome, or only those in the output mask.
    """

    input_voxels: Tensor  # indices of the connectome's voxels that the network reads
    input_places: Tensor  # their flat indices in the box
    output_places: Tensor  # flat indices of the predicted voxels in the box

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
        is_input = output[brain] if input_mask == "gm" else torch.ones(int(brain.sum()), dtype=torch.bool)
        places = {
            "input_voxels": is_input.nonzero()[:, 0],
            "input_places": brain.nonzero()[:, 0][is_input],
            "output_places": output.nonzero()[:, 0],
        }
        for name, place in places.items():
            self.register_buffer(name, place, persistent=False)

    def forward(self, connectomes: Tensor) -> Tensor:
        """Predict maps from connectomes.

        Parameters
        ----------
        connectomes : tensor of shape (n, n_rois, n_brain_voxels)
            One connectome per participant, with the voxels of the brain mask in C order.

        Returns
        -------
        tensor of shape (n, n_contrasts, n_output_voxels)
            Voxels of the output mask in C order.
        """
        rows = connectomes[:, :, self.input_voxels].transpose(1, 2)
        n_participants, _, n_rois = rows.shape
        # Channels last: the layout in which the convolutions are fastest.
        box = rows.new_zeros((n_participants, self.box[0] * self.box[1] * self.box[2], n_rois))
        box[:, self.input_places] = rows
        features = self.network.features(box.view(n_participants, *self.box, n_rois).permute(0, 4, 1, 2, 3))
        rows = features.permute(0, 2, 3, 4, 1).flatten(1, 3).index_select(1, self.output_places)
        maps: Tensor = self.network.head(rows).transpose(1, 2)
        return maps
