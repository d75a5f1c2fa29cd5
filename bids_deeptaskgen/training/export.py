"""A trained network becomes a bundle: calibrated, with mean maps, and a card that says how it came about."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.models.architecture import Architecture
from bids_deeptaskgen.models.bundle import BRAIN_MASK, OUTPUT_MASK, ROIS, Bundle
from bids_deeptaskgen.models.bundle_writer import save_bundle
from bids_deeptaskgen.models.card import Card, name_from_folder
from bids_deeptaskgen.models.contrasts import Contrast
from bids_deeptaskgen.nn.network_state import bundle_state, replace_head, state_arrays
from bids_deeptaskgen.settings.training import TrainingSettings
from bids_deeptaskgen.stats.calibration import Calibration
from bids_deeptaskgen.training.cached_participants import CachedParticipant, mean_maps
from bids_deeptaskgen.training.data import TrainingData
from bids_deeptaskgen.training.fit import predict_participant
from bids_deeptaskgen.training.fit_records import Fit
from bids_deeptaskgen.training.masked_unet import MaskedUNet
from bids_deeptaskgen.training.sampling import TRAIN, VALIDATION

logger = logging.getLogger("bids_deeptaskgen")

Floats = NDArray[np.float32]

# What was trained, in the card's words.
_MOVED = {
    "backbone": "all but the last layer",
    "batchnorm": "batch normalisation alone",
    "new-head": "everything, with a new last layer",
}


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes
    ----------
    settings : TrainingSettings
    data : TrainingData
    architecture : Architecture
        Of the network that was trained.
    strategy : str
    base : Bundle
        Whose ROI maps and masks were used.
    parent : Bundle or None
    fitted : Fit
    """

    settings: TrainingSettings
    data: TrainingData
    architecture: Architecture
    strategy: str
    base: Bundle
    parent: Bundle | None
    fitted: Fit

    @property
    def head_source(self) -> Bundle | None:
        """The parent whose last layer is put back, so that all of its contrasts are predicted."""
        return self.parent if self.strategy in ("backbone", "batchnorm") else None

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """What the bundle predicts."""
        return self.head_source.card.contrasts if self.head_source else self.data.contrasts

    @property
    def epoch(self) -> int:
        """The epoch whose weights are used."""
        return self.fitted.best_epoch if self.settings.weights == "best" else len(self.fitted.log)


def write_bundle(
    out: Path,
    trained: Trained,
    participants: Mapping[str, Sequence[CachedParticipant]],
    module: MaskedUNet,
) -> Bundle:
    """Calibrate a network and write its bundle, whole or not at all.

    Parameters
    ----------
    out : Path
        Where it shall be; a bundle that is there is replaced once the new one is whole.
    trained : Trained
    participants : dict of str to sequence of CachedPerson
        By split.
    module : MaskedUNet
        Gets the weights that were chosen.

    Returns
    -------
    Bundle
    """
    settings, fitted, base = trained.settings, trained.fitted, trained.base
    state = fitted.best if settings.weights == "best" else fitted.last
    module.network.load_state_dict(state)
    if trained.head_source:
        state = replace_head(state, bundle_state(trained.head_source))
    means = mean_maps(participants[TRAIN])
    calibration = None
    if settings.calibration and participants[VALIDATION]:
        logger.info("calibrating on %d validation people", trained.data.n_participants(VALIDATION))
        calibration = calibrate(module.eval(), means, participants[VALIDATION])
    whole_means, weights = _of_all_contrasts(trained, means, calibration)
    card = make_card(out, trained, weights)
    return save_bundle(
        out,
        card,
        state_arrays(state),
        base.folder / ROIS,
        (base.folder / BRAIN_MASK, base.folder / OUTPUT_MASK),
        mean_statmaps=None if whole_means is None else unmask(whole_means, base.output_mask),
        overwrite=True,
    )


def calibrate(
    module: MaskedUNet, means: Floats, participants: Sequence[CachedParticipant]
) -> NDArray[np.float64]:
    """Find on validation people how far each contrast's maps should go from the mean map to the network's."""
    calibration = Calibration(means)
    for participant in participants:
        calibration.add(
            predict_participant(module, participant, module.wanted.device), participant.statmaps()
        )
    return calibration.weights


def _of_all_contrasts(
    trained: Trained, means: Floats, calibration: NDArray[np.float64] | None
) -> tuple[Floats | None, tuple[float, ...] | None]:
    """Put what was found of the trained contrasts beside what the parent knew of its others.

    Of others of which the parent knew nothing the map is the network's own: a weight of 1, so that their
    mean map, of zeros, does not enter.
    """
    parent = trained.head_source
    if parent is None:
        return means, _rounded(calibration)
    old = parent.mean_statmaps()
    if old is None and calibration is None:
        return None, None
    labels = [one.label for one in parent.card.contrasts]
    rows = [labels.index(label) for label in trained.data.labels]
    whole = np.zeros((len(labels), means.shape[1]), np.float32) if old is None else old
    whole[rows] = means
    if calibration is None:
        return whole, None
    weights = np.array(parent.card.calibration or np.ones(len(labels)))
    weights[rows] = calibration
    return whole, _rounded(weights)


def _rounded(weights: NDArray[np.float64] | None) -> tuple[float, ...] | None:
    return None if weights is None else tuple(round(float(weight), 2) for weight in weights)


def make_card(out: Path, trained: Trained, calibration: tuple[float, ...] | None) -> Card:
    """Write what the bundle says of itself."""
    settings, base, parent = trained.settings, trained.base.card, trained.parent
    inherited = parent.card.licence if parent else "not stated"
    return Card(
        name=settings.name or name_from_folder(out),
        description=settings.description,
        architecture=replace(trained.architecture, out_channels=len(trained.contrasts)),
        contrasts=trained.contrasts,
        roi_set=base.roi_set,
        input_mask=base.input_mask,
        window_minutes=round(trained.data.window_minutes, 2),
        training=training_words(trained, calibrated=calibration is not None),
        licence=settings.licence or inherited,
        citation=base.citation,
        parent=parent.card.name if parent else None,
        # An untrained base has lent nothing but ROI maps and masks, of which its notice does not speak.
        for_science=base.for_science or base.untrained,
        notice="" if base.untrained else base.notice,
        mean_roi_connectome=parent.card.mean_roi_connectome if parent else None,
        calibration=calibration,
    )


def training_words(trained: Trained, *, calibrated: bool) -> str:
    """Say in the card on whom, how and how far it was trained."""
    settings, data, parent = trained.settings, trained.data, trained.parent
    line = trained.fitted.log[trained.epoch - 1]
    n_train, n_validation = (data.n_participants(name) for name in (TRAIN, VALIDATION))
    loss = (
        f"crr (alpha {settings.alpha:g}, margin {settings.margin:g})"
        if settings.loss == "crr"
        else settings.loss
    )
    words = [
        f"{n_train} people, epoch {trained.epoch} of {len(trained.fitted.log)}, loss {loss}, "
        f"Adam with learning rate {settings.learning_rate:g} ({settings.schedule}), batches of "
        f"{settings.batch_size}, {settings.precision}, seed {settings.seed}"
    ]
    if parent:
        words.insert(
            0,
            f"fine-tuned from {parent.card.name} (weights sha256 {parent.weights_sha256}) by "
            f"{trained.strategy} ({_MOVED[trained.strategy]})",
        )
    if trained.head_source:
        words.append(
            f"trained on {len(data.labels)} of its {len(trained.contrasts)} contrasts "
            f"({', '.join(data.labels)}); the last layer is that of {trained.head_source.card.name}"
        )
    if np.isfinite(line.r):
        others = f", {line.difference:.3f} above that with those of others"
        words.append(
            f"on {n_validation} validation people the mean spatial r with their own maps is {line.r:.3f}"
            + (others if np.isfinite(line.difference) else "")
        )
    if calibrated:
        words.append("calibrated on the same people")
    releases = ", ".join(f"{name} {version(name)}" for name in ("bids-deeptaskgen", "lightning", "torch"))
    return "; ".join([*words, releases])
