"""``deeptaskgen train``: train a new network on connectomes and measured task maps."""

from bids_deeptaskgen.models.architecture import new_architecture
from bids_deeptaskgen.settings.training import TrainSettings
from bids_deeptaskgen.training.work_folder import begin


def run(settings: TrainSettings) -> int:
    """Train a network and write its model bundle; see `training.run.train`.

    Parameters
    ----------
    settings : TrainSettings

    Returns
    -------
    int
        Exit code.
    """
    base = begin(settings, settings.model, settings.out)
    # Imported here because these modules require the extra for training.
    from bids_deeptaskgen.nn.unet import new_network
    from bids_deeptaskgen.training.data import gather
    from bids_deeptaskgen.training.run import Start, train
    from bids_deeptaskgen.training.target_contrasts import known_contrasts, measured_contrasts

    contrasts = measured_contrasts(settings.statmaps, known_contrasts(base), settings.contrasts)
    data = gather(settings, base, contrasts)
    architecture = new_architecture(settings, base.card.architecture.in_channels, len(contrasts))
    network = new_network(architecture, settings.seed)
    start = Start(network, "everything", base, parent=None)
    return train(settings, settings.out, data, start)
