"""``deeptaskgen finetune``: a model goes on learning, from other people or for other contrasts."""

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.training import FinetuneSettings
from bids_deeptaskgen.training.work_folder import begin

NEW_HEAD, BATCHNORM = "new-head", "batchnorm"


def run(settings: FinetuneSettings) -> int:
    """Fine-tune a model and write the bundle of the new one.

    With ``backbone`` and ``batchnorm``, the last layer is cut to the contrasts that were measured, held while
    the rest is trained on them, and put back whole, as published. See `training.run.train`.

    Raises
    ------
    UserError
        If the strategy and the parent do not fit.
    """
    parent = begin(settings, settings.parent, settings.out)
    # Here, not above: without the extra they cannot be imported.
    from bids_deeptaskgen.training.data import gather
    from bids_deeptaskgen.training.finetuning import child_network
    from bids_deeptaskgen.training.run import Start, train
    from bids_deeptaskgen.training.target_contrasts import (
        known_contrasts,
        measured_contrasts,
        parents_contrasts,
    )

    if parent.card.untrained:
        message = (
            f"--parent {settings.parent}: is untrained, so there is nothing to go on from.\n"
            "Train a network with its ROI maps: deeptaskgen train."
        )
        raise UserError(message)
    if settings.strategy == BATCHNORM and not parent.card.architecture.batch_norm:
        message = (
            f"--strategy batchnorm: {parent.card.name} has no batch normalisation, so nothing would move.\n"
            "Choose --strategy backbone or new-head."
        )
        raise UserError(message)
    if settings.strategy == NEW_HEAD:
        known, channels = known_contrasts(parent), None
        contrasts = measured_contrasts(settings.statmaps, known, settings.contrasts)
    else:
        contrasts = parents_contrasts(parent, settings.statmaps, settings.contrasts)
        channels = [parent.card.contrasts.index(one) for one in contrasts]
    data = gather(settings, parent, contrasts)
    network = child_network(parent, channels, len(contrasts), settings.seed)
    start = Start(network, settings.strategy, parent, parent)
    return train(settings, settings.out, data, start)
