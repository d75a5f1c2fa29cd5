"""``deeptaskgen models new``: create an untrained model with custom ROI maps."""

import sys

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import new_architecture
from bids_deeptaskgen.models.card import Card, name_from_folder
from bids_deeptaskgen.models.channels import read_contrast_set
from bids_deeptaskgen.models.describe import describe
from bids_deeptaskgen.settings.models import ModelsNewSettings


def run(settings: ModelsNewSettings) -> int:
    """Write a model bundle with custom ROI maps and random weights.

    Parameters
    ----------
    settings : ModelsNewSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    UserError
        If ROI maps, mask or contrasts cannot be read or used, or the folder exists; nothing is written.
    """
    _check_folder(settings)
    contrasts = read_contrast_set(settings.contrasts)
    # Imported here because torch and nilearn take seconds.
    from bids_deeptaskgen.models.bundle_parts import read_masks, read_rois
    from bids_deeptaskgen.nn.new_bundle import untrained_bundle

    masks = read_masks(settings.output_mask)
    rois = read_rois(settings.rois, masks[0])
    card = Card(
        name=settings.name or name_from_folder(settings.out),
        description=settings.description,
        architecture=new_architecture(settings, len(rois), len(contrasts)),
        contrasts=contrasts,
        roi_set=settings.rois.name,
        input_mask=settings.input_mask,
        window_minutes=settings.window_minutes,
        licence=settings.licence,
        citation=settings.citation,
    )
    bundle = untrained_bundle(settings.out, card, rois, masks, settings.seed, overwrite=settings.overwrite)
    model = f"--model {settings.out}"
    sys.stdout.write(
        f"Untrained model with the {len(rois)} ROI maps of {settings.rois}: {settings.out}\n"
        "Compute connectomes with it, then train a network on them:\n"
        f"  bids-deeptaskgen BIDS_DIR OUT participant {model} --save-connectome\n"
        f"  deeptaskgen train TRAINED {model} --connectomes OUT --statmaps TASKMAPS\n\n{describe(bundle)}"
    )
    return 0


def _check_folder(settings: ModelsNewSettings) -> None:
    """Refuse a folder that exists, unless it is a model that may be replaced."""
    folder = settings.out
    if not folder.exists():
        return
    if not (folder / "card.json").is_file():
        message = f"{folder}: exists and is not a model. Choose another OUT, or remove it first."
        raise UserError(message)
    if not settings.overwrite:
        message = f"{folder}: exists. Choose another OUT, or replace the model with --overwrite."
        raise UserError(message)
