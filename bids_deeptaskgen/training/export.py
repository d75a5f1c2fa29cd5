"""Export of a trained network as a model bundle, with calibration, mean maps, typicality and a card."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.typicality import ConnectomeDistribution
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS, Bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.models.card import Card, name_from_folder
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.nn.network_state import bundle_state, replace_head, state_arrays
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.stats.calibration import Calibration
from bids_deeptaskgen.stats.map_sum import MapSum
from bids_deeptaskgen.training.cached_participants import CachedParticipant, group_relatives, sum_maps
from bids_deeptaskgen.training.card_words import calibration_words, science_status
from bids_deeptaskgen.training.data import TrainingData
from bids_deeptaskgen.training.fit import predict_participant
from bids_deeptaskgen.training.fit_records import Fit
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.sampling import TRAIN, VALIDATION
from bids_deeptaskgen.training.typicality import training_distribution

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

# The trained parts, in the card's words.
_TRAINED_PARTS = {
    "backbone": "all but the last layer",
    "batchnorm": "batch normalisation alone",
    "new-head": "everything, with a new last layer",
}


@dataclass(frozen=True)
class FinishedTraining:
    """A finished training.

    Attributes
    ----------
    settings : TrainingSettings
    data : TrainingData
    architecture : Architecture
        Architecture of the trained network.
    strategy : str
    base : Bundle
        Model whose ROI maps and masks were used.
    parent : Bundle or None
    result : Fit
    """

    settings: TrainingSettings
    data: TrainingData
    architecture: Architecture
    strategy: str
    base: Bundle
    parent: Bundle | None
    result: Fit

    @property
    def head_source(self) -> Bundle | None:
        """Return the parent whose last layer is restored, so that all of its contrasts are predicted."""
        return self.parent if self.strategy in ("backbone", "batchnorm") else None

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Return the contrasts that the bundle predicts."""
        return self.head_source.card.contrasts if self.head_source else self.data.contrasts

    @property
    def epoch(self) -> int:
        """Return the epoch whose weights are used."""
        return self.result.best_epoch if self.settings.weights == "best" else len(self.result.log)


def write_bundle(
    out: Path,
    training: FinishedTraining,
    participants: Mapping[str, Sequence[CachedParticipant]],
    module: MaskedUNet,
) -> Bundle:
    """Calibrate a network and write its complete bundle.

    Parameters
    ----------
    out : Path
        Folder of the bundle; an existing bundle is replaced once the new one is complete.
    training : FinishedTraining
    participants : dict of str to sequence of CachedParticipant
        Participants by split.
    module : MaskedUNet
        Receives the chosen weights.

    Returns
    -------
    Bundle
    """
    settings, result, base = training.settings, training.result, training.base
    state = result.best_state if settings.weights == "best" else result.last_state
    module.network.load_state_dict(state)
    if training.head_source:
        state = replace_head(state, bundle_state(training.head_source))
    # Only test participants, whom the model must not know, are left out.
    total = sum_maps([*participants[TRAIN], *participants[VALIDATION]])
    calibration = None
    if settings.calibration and participants[VALIDATION]:
        logger.info("calibrating on %d validation participants", training.data.n_participants(VALIDATION))
        calibration = calibrate(module.eval(), total, participants[VALIDATION])
    bundle_means, weights = _extend_to_bundle(
        training, total.mean(), None if calibration is None else calibration.weights
    )
    pairs = [participant.pair for participant in participants[TRAIN]]
    distribution = training_distribution(pairs, base.card.architecture.in_channels)
    words = training_words(
        training, calibration, n_typical=distribution.n_participants if distribution else 0
    )
    card = make_card(out, training, words, weights, distribution)
    return save_bundle(
        out,
        card,
        state_arrays(state),
        base.folder / ROIS,
        (base.folder / BRAIN_MASK, base.folder / OUTPUT_MASK),
        mean_statmaps=None if bundle_means is None else unmask(bundle_means, base.output_mask),
        roi_connectomes=distribution or _parents_distribution(training.parent),
        overwrite=True,
    )


def _parents_distribution(parent: Bundle | None) -> ConnectomeDistribution | None:
    """Return the distribution that a model inherits if its own participants are too few."""
    distribution = parent.connectome_distribution() if parent else None
    if parent and distribution:
        logger.info("The distribution of ROI-by-ROI connectomes is that of %s.", parent.card.name)
    return distribution


def calibrate(module: MaskedUNet, total: MapSum, participants: Sequence[CachedParticipant]) -> Calibration:
    """Compare the network's map with the mean map of other participants, for each validation participant.

    The mean map contains neither the participant's own maps nor those of relatives. Otherwise the mean map
    would seem better than it is for further participants, and the weights would be too small.

    Parameters
    ----------
    module : MaskedUNet
        In evaluation mode.
    total : MapSum
        Sum of the measured maps of all training and validation participants.
    participants : sequence of CachedParticipant
        Validation participants.

    Returns
    -------
    Calibration
    """
    calibration = Calibration(total.n_contrasts)
    for relatives in group_relatives(participants):
        mean = total.mean(relatives=sum_maps(relatives))
        for participant in relatives:
            predicted = predict_participant(module, participant, module.output_places.device)
            calibration.add(predicted, participant.statmaps(), mean)
    return calibration


def _extend_to_bundle(
    training: FinishedTraining, means: Floats, calibration: NDArray[np.float64] | None
) -> tuple[Floats | None, tuple[float, ...] | None]:
    """Combine mean maps and weights of the trained contrasts with the parent's of its remaining contrasts.

    A remaining contrast without a weight gets 1, so that its missing mean map (zeros) does not contribute.
    """
    parent = training.head_source
    if parent is None:
        return means, _round(calibration)
    parent_means = parent.mean_statmaps()
    if parent_means is None and calibration is None:
        return None, None
    labels = [contrast.label for contrast in parent.card.contrasts]
    rows = [labels.index(label) for label in training.data.labels]
    bundle_means = (
        np.zeros((len(labels), means.shape[1]), np.float32) if parent_means is None else parent_means
    )
    bundle_means[rows] = means
    if calibration is None:
        return bundle_means, None
    weights = np.array(parent.card.calibration or np.ones(len(labels)))
    weights[rows] = calibration
    return bundle_means, _round(weights)


def _round(weights: NDArray[np.float64] | None) -> tuple[float, ...] | None:
    return None if weights is None else tuple(round(float(weight), 2) for weight in weights)


def make_card(
    out: Path,
    training: FinishedTraining,
    words: str,
    calibration: tuple[float, ...] | None,
    distribution: ConnectomeDistribution | None = None,
) -> Card:
    """Create the card of a bundle.

    Parameters
    ----------
    out : Path
        Folder of the bundle.
    training : FinishedTraining
    words : str
        Description of the training; see `training_words`.
    calibration : tuple of float, or None
        Weight of each contrast.
    distribution : ConnectomeDistribution, or None
        Of the training participants' ROI-by-ROI connectomes; None leaves their mean to the parent.

    Returns
    -------
    Card
    """
    settings, base, parent = training.settings, training.base.card, training.parent
    parents_mean = parent.card.mean_roi_connectome if parent else None
    inherited = parent.card.licence if parent else "not stated"
    for_science, notice = science_status(settings.statmaps, base, uses_weights=parent is not None)
    return Card(
        name=settings.name or name_from_folder(out),
        description=settings.description,
        architecture=replace(training.architecture, out_channels=len(training.contrasts)),
        contrasts=training.contrasts,
        roi_set=base.roi_set,
        input_mask=base.network_input_mask,
        window_minutes=round(training.data.window_minutes, 2),
        training=words,
        licence=settings.licence or inherited,
        citation=base.citation,
        parent=parent.card.name if parent else None,
        for_science=for_science,
        notice=notice,
        mean_roi_connectome=distribution.mean_roi_connectome if distribution else parents_mean,
        calibration=calibration,
    )


def training_words(training: FinishedTraining, calibration: Calibration | None, *, n_typical: int = 0) -> str:
    """Describe for the card the participants, settings and validation of a training.

    Parameters
    ----------
    training : FinishedTraining
    calibration : Calibration or None
    n_typical : int
        Training participants of the distribution of ROI-by-ROI connectomes; 0 without one.

    Returns
    -------
    str
    """
    settings, data, parent = training.settings, training.data, training.parent
    line = training.result.log[training.epoch - 1]
    n_train, n_validation = (data.n_participants(name) for name in (TRAIN, VALIDATION))
    loss = (
        f"crr (alpha {settings.alpha:g}, margin {settings.margin:g})"
        if settings.loss == "crr"
        else settings.loss
    )
    words = [
        f"{n_train} participants, epoch {training.epoch} of {len(training.result.log)}, loss {loss}, "
        f"Adam with learning rate {settings.learning_rate:g} ({settings.schedule}), batches of "
        f"{min(settings.batch_size, len(data.pairs[TRAIN]))}, {settings.precision}, seed {settings.seed}"
    ]
    if parent:
        words.insert(
            0,
            f"fine-tuned from {parent.card.name} (weights sha256 {parent.weights_sha256}) by "
            f"{training.strategy} ({_TRAINED_PARTS[training.strategy]})",
        )
    if training.head_source:
        words.append(
            f"trained on {len(data.labels)} of its {len(training.contrasts)} contrasts "
            f"({', '.join(data.labels)}); the last layer is that of {training.head_source.card.name}"
        )
    if np.isfinite(line.r):
        excess = f", {line.difference:.3f} above that with other participants' maps"
        words.append(
            f"on {n_validation} validation participants the mean spatial r with their own maps is "
            f"{line.r:.3f}" + (excess if np.isfinite(line.difference) else "")
        )
    words.append(f"mean maps of {n_train + n_validation} training and validation participants")
    if calibration is not None:
        method = f"on the {n_validation} validation participants against mean maps without their own"
        words.append(calibration_words(calibration, method))
    if n_typical:
        words.append(f"typicality from {n_typical} of {n_train} training participants")
    releases = ", ".join(f"{name} {version(name)}" for name in ("bids-deeptaskgen", "lightning", "torch"))
    return "; ".join([*words, releases])
