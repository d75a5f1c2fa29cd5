"""``deeptaskgen train``: a network of one's own, from connectomes and measured task maps."""

from bids_deeptaskgen.models.architecture import new_architecture
from bids_deeptaskgen.settings import TrainSettings
from bids_deeptaskgen.training.work_folder import begin


def run(settings: TrainSettings) -> int:
    """Train a network and write its bundle; see `training.run.train`."""
    base = begin(settings, settings.model, settings.out)
    # Here, not above: without the extra they cannot be imported.
    from bids_deeptaskgen.nn.unet import new_network
    from bids_deeptaskgen.training import data as training_data
    from bids_deeptaskgen.training import run as training

    contrasts = training_data.measured_contrasts(
        settings.statmaps, training_data.known_contrasts(base), settings.contrasts
    )
    data = training_data.gather(settings, base, contrasts)
    architecture = new_architecture(settings, base.card.architecture.in_channels, len(contrasts))
    network = new_network(architecture, settings.seed)
    start = training.Start(network, "everything", base, parent=None)
    return training.train(settings, settings.out, data, start)
