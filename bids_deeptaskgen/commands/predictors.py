"""What is scored of a contrast: the models, and the baselines beside them."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.commands.maps import averages_of
from bids_deeptaskgen.commands.study import Study, made_plainly_by
from bids_deeptaskgen.core.calibration import apply_calibration
from bids_deeptaskgen.core.evaluation import Predictor
from bids_deeptaskgen.core.scores import LeaveOneOut, Maps
from bids_deeptaskgen.settings import EvaluateSettings

GROUP_AVERAGE, LINEAR, RETEST = "group average", "linear model", "retest"


def choose_averages(
    settings: EvaluateSettings, study: Study, means: NDArray[np.float32] | None
) -> list[tuple[NDArray[np.float32] | None, str]]:
    """Choose each contrast's group average, and say whose it is.

    It is of other people where there are such, else of the model's; None leaves out each tested person.
    """
    bundle = study.bundle
    # A fine-tuned model may have contrasts that nobody was measured in: their mean map is 0 throughout.
    known = (
        {one.label: mean for one, mean in zip(bundle.card.contrasts, means, strict=True) if mean.any()}
        if bundle and means is not None
        else {}
    )
    others, n_people = (
        averages_of(study.others, study.labels, study.mask)
        if study.others
        else (None, [0] * len(study.labels))
    )
    chosen: list[tuple[NDArray[np.float32] | None, str]] = []
    for number, label in enumerate(study.labels):
        if others is not None and n_people[number]:
            whose = f"of {n_people[number]} other people of {settings.baseline_train}"
            chosen.append((others[number], whose))
        elif bundle and label in known:
            whose = f"of the people that {bundle.card.name} was trained on"
            chosen.append((known[label], whose))
        else:
            chosen.append((None, "of the tested people themselves, without the one at hand"))
    return chosen


def predictors(
    study: Study,
    contrast: str,
    maps: Mapping[str, NDArray[np.float32]],
    average: Maps | LeaveOneOut,
    means: NDArray[np.float32] | None,
    voxels: NDArray[np.bool_],
) -> Iterator[Predictor]:
    """Give models and baselines in turn; a model's maps are calibrated once they are scored as they are."""
    for name in study.predicted:
        if name in maps:
            yield Predictor(name, is_baseline=False, maps=maps[name])
            if means is not None and _calibrate(study, contrast, name, maps[name], means[:, voxels]):
                yield Predictor(f"{name}, calibrated", is_baseline=False, maps=maps[name])
    yield Predictor(GROUP_AVERAGE, is_baseline=True, maps=average)
    for name in (LINEAR, RETEST):
        if name in maps:
            yield Predictor(name, is_baseline=True, maps=maps[name])


def _calibrate(
    study: Study, contrast: str, name: str, maps: NDArray[np.float32], means: NDArray[np.float32]
) -> bool:
    """Calibrate predictions in place, if the model that made them knows how; tell whether it does."""
    bundle, files = study.bundle, study.predicted[name][contrast]
    if bundle is None or bundle.card.calibration is None or not made_plainly_by(bundle, files):
        return False
    number = [one.label for one in bundle.card.contrasts].index(contrast)
    weight = np.array([bundle.card.calibration[number]])
    for row in maps:
        row[:] = apply_calibration(row[None], means[None, number], weight)[0]
    return True
