"""``deeptaskgen models import``: convert a published checkpoint to a model bundle."""

import sys

from bids_deeptaskgen.io.checksum import file_sha256
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.models.channels import name_channels
from bids_deeptaskgen.models.describe import describe
from bids_deeptaskgen.settings.models import ModelsImportSettings


def run(settings: ModelsImportSettings) -> int:
    """Convert a published checkpoint to a model bundle.

    Parameters
    ----------
    settings : ModelsImportSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    UserError
        If checkpoint, ROI maps, mask or contrasts cannot be read or are inconsistent; nothing is written.
    """
    # Imported here because torch and nilearn take seconds.
    from bids_deeptaskgen.nn.new_bundle import bundle_from_checkpoint

    bundle = bundle_from_checkpoint(
        settings.out,
        settings.checkpoint,
        settings.rois,
        settings.output_mask,
        lambda architecture: _card(settings, architecture),
    )
    sys.stdout.write(f"{settings.checkpoint} was imported as {settings.out}\n\n{describe(bundle)}")
    return 0


def _card(settings: ModelsImportSettings, architecture: Architecture) -> Card:
    digest = file_sha256(settings.checkpoint)
    return Card(
        name=settings.name,
        description=settings.description,
        architecture=architecture,
        contrasts=name_channels(settings.contrasts, architecture.out_channels),
        roi_set=settings.rois.name,
        input_mask=settings.input_mask,
        window_minutes=settings.window_minutes,
        training=f"Unknown; imported from {settings.checkpoint.name} (sha256 {digest}).",
        licence=settings.licence,
        citation=settings.citation,
    )
