"""``deeptaskgen train``: train a network or a ridge model on connectomes and measured task maps."""

from bids_deeptaskgen.models.architecture import new_architecture
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.settings.training import TrainSettings
from bids_deeptaskgen.training.data import TrainingData, gather
from bids_deeptaskgen.training.target_contrasts import known_contrasts, measured_contrasts
from bids_deeptaskgen.training.work_folder import begin, claim_work_folder


def run(settings: TrainSettings) -> int:
    """Train a model and write its bundle; see `training.run.train` and `training.ridge.train`.

    Parameters
    ----------
    settings : TrainSettings

    Returns
    -------
    int
        Exit code.
    """
    base = begin(settings, settings.model, settings.out)
    contrasts = measured_contrasts(settings.statmaps, known_contrasts(base), settings.contrasts)
    data = gather(settings, base, contrasts)
    train = _train_network if settings.is_network else _train_ridge
    with claim_work_folder(settings, settings.out):
        return train(settings, data, base)


def _train_network(settings: TrainSettings, data: TrainingData, base: Bundle) -> int:
    # Imported here because these modules require the extra for training.
    from bids_deeptaskgen.nn.unet import new_network
    from bids_deeptaskgen.training.run import Start, train

    architecture = new_architecture(settings, base.card.architecture.in_channels, len(data.contrasts))
    network = new_network(architecture, settings.seed)
    return train(settings, settings.out, data, Start(network, "everything", base, parent=None))


def _train_ridge(settings: TrainSettings, data: TrainingData, base: Bundle) -> int:
    from bids_deeptaskgen.training.ridge import train

    return train(settings, settings.out, data, base)
