"""``deeptaskgen finetune``: train a model further, on other participants or for other contrasts."""

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.card import Card, read_card
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.settings.training import FinetuneSettings
from bids_deeptaskgen.training.work_folder import begin, claim_work_folder

NEW_HEAD, BATCHNORM = "new-head", "batchnorm"


def run(settings: FinetuneSettings) -> int:
    """Train a model further and write the bundle of the new model.

    With ``backbone`` and ``batchnorm``, the last layer is restricted to the measured contrasts and frozen
    during training; the new bundle contains the parent's complete last layer, as published. See
    `training.run.train`.

    Parameters
    ----------
    settings : FinetuneSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    UserError
        If the parent is untrained or a ridge model, or the strategy requires layers that it lacks.
    """
    # A parent that cannot be fine-tuned is refused even where the extra for training is not installed.
    _check_parent(settings, read_card(find_model(settings.parent) / "card.json"))
    parent = begin(settings, settings.parent, settings.out)
    # Imported here because these modules require the extra for training.
    from bids_deeptaskgen.training.data import gather
    from bids_deeptaskgen.training.finetuning import child_network
    from bids_deeptaskgen.training.run import Start, train
    from bids_deeptaskgen.training.target_contrasts import (
        known_contrasts,
        measured_contrasts,
        parents_contrasts,
    )

    if settings.strategy == NEW_HEAD:
        channels = None
        contrasts = measured_contrasts(settings.statmaps, known_contrasts(parent), settings.contrasts)
    else:
        contrasts = parents_contrasts(parent, settings.statmaps, settings.contrasts)
        channels = [parent.card.contrasts.index(contrast) for contrast in contrasts]
    data = gather(settings, parent, contrasts)
    network = child_network(parent, channels, len(contrasts), settings.seed)
    start = Start(network, settings.strategy, parent, parent)
    with claim_work_folder(settings, settings.out):
        return train(settings, settings.out, data, start)


def _check_parent(settings: FinetuneSettings, card: Card) -> None:
    """Refuse parents without weights or layers to fine-tune."""
    if card.untrained:
        message = (
            f"--parent {settings.parent}: is untrained and cannot be fine-tuned.\n"
            "Train a network with its ROI maps: deeptaskgen train."
        )
        raise UserError(message)
    if not card.architecture.is_network:
        message = (
            f"--parent {settings.parent}: {card.name} is a ridge model, without layers to fine-tune.\n"
            "Fit a ridge model to your participants instead: deeptaskgen train OUT --architecture ridge "
            f"--model {settings.parent}."
        )
        raise UserError(message)
    if settings.strategy == BATCHNORM and not card.architecture.batch_norm:
        message = (
            f"--strategy batchnorm: {card.name} has no batch normalisation to train.\n"
            "Use --strategy backbone or new-head."
        )
        raise UserError(message)
