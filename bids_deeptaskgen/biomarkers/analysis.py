"""Analysis of all targets with all feature sets."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from threadpoolctl import threadpool_limits

from bids_deeptaskgen.biomarkers.cohort.selection import Cohort
from bids_deeptaskgen.biomarkers.features.reader import FeatureReader
from bids_deeptaskgen.biomarkers.features.tables import TableReader
from bids_deeptaskgen.biomarkers.features.target_copies import refuse_target_copies
from bids_deeptaskgen.biomarkers.models.baselines import predict_from_confounds
from bids_deeptaskgen.biomarkers.models.cross_validation import ModelOptions, cross_validate
from bids_deeptaskgen.biomarkers.models.published_setup import cross_validate_published, published_problem
from bids_deeptaskgen.biomarkers.permuted_targets import permute_residuals
from bids_deeptaskgen.biomarkers.problem import (
    Features,
    PermutationTest,
    Predictions,
    Problem,
    TableFeatures,
)
from bids_deeptaskgen.biomarkers.results.learning_curve import (
    choose_usable_sizes,
    first_repeat,
    learning_curve_rows,
)
from bids_deeptaskgen.biomarkers.results.scores import CONFOUNDS, NESTED, PUBLISHED
from bids_deeptaskgen.biomarkers.results.target_result import FeatureSet, Row, TargetResult, describe_features
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

logger = logging.getLogger("bids_deeptaskgen")

# Logistic regression of maps takes the eigenvectors of each training kernel, hours for more participants.
MAX_LOGISTIC = 2000
# Matrices of fewer participants are so small that threads wait for each other: with two threads on a busy
# machine, 1,000 participants took 256 s in place of 6 s.
MAX_ONE_THREAD = 4000


@dataclass
class _Record:
    """Results of a target that accumulate over the feature sets."""

    features: list[FeatureSet] = field(default_factory=list)
    predictions: dict[tuple[str, str], Predictions] = field(default_factory=dict)
    tests: dict[tuple[str, str], PermutationTest] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    learning_curve: list[Row] = field(default_factory=list)


def analyse(
    settings: BiomarkersSettings,
    problems: Sequence[Problem],
    cohort: Cohort,
    readers: Sequence[FeatureReader],
) -> list[TargetResult]:
    """Predict all targets from all feature sets, which are read one after another.

    Parameters
    ----------
    settings : BiomarkersSettings
    problems : sequence of Problem
        One for each target.
    cohort : Cohort
    readers : sequence of FeatureReader

    Returns
    -------
    list of TargetResult
        In the order of `problems`.

    Raises
    ------
    InputError
        If a column of a table is the target under another name, or features cannot be read.
    """
    _refuse_copies(problems, cohort, readers)
    records = [_Record() for _ in problems]
    for problem, record in zip(problems, records, strict=True):
        if problem.confounds:
            options = model_options(settings, problem)
            baseline = predict_from_confounds(problem, options.classifier)
            record.predictions[NESTED, CONFOUNDS] = baseline
        if settings.learning_curve:
            record.sizes = choose_usable_sizes(problem, _reduction(settings.seed))
    participants = tuple(sorted({label for problem in problems for label in problem.participants}))
    n_threads = 1 if len(participants) <= MAX_ONE_THREAD else None
    with threadpool_limits(limits=n_threads, user_api="blas"):
        for reader in readers:
            start = time.monotonic()
            labels = [reader.participants[row] for row in cohort.feature_rows(reader.name, participants)]
            features = replace(
                reader.read(labels, is_published=settings.preset is not None), participants=participants
            )
            logger.info("Features %s: read in %.0f s.", reader.name, time.monotonic() - start)
            for number, (problem, record) in enumerate(zip(problems, records, strict=True)):
                start = time.monotonic()
                subset = select_participants(features, problem.participants)
                record.features.append(describe_features(features, is_predicted=reader.is_predicted))
                _analyse_features(settings, problem, subset, number, record)
                logger.info(
                    "Target %s from %s: cross-validated in %.0f s.",
                    problem.target.name, reader.name, time.monotonic() - start,
                )  # fmt: skip
    return [
        TargetResult(
            problem=problem,
            features=record.features,
            predictions=record.predictions,
            tests=record.tests,
            learning_curve=record.learning_curve,
            published=published_problem(problem) if settings.preset else None,
            classifier=model_options(settings, problem).classifier if problem.target.levels else "",
        )
        for problem, record in zip(problems, records, strict=True)
    ]


def _refuse_copies(problems: Sequence[Problem], cohort: Cohort, readers: Sequence[FeatureReader]) -> None:
    """Refuse tables with a copy of a target before the analysis begins."""
    tables = [reader for reader in readers if isinstance(reader, TableReader)]
    for problem, reader in product(problems, tables):
        labels = [reader.participants[row] for row in cohort.feature_rows(reader.name, problem.participants)]
        refuse_target_copies(problem, reader.read(labels))


def model_options(settings: BiomarkersSettings, problem: Problem) -> ModelOptions:
    """Choose the models of a target, which are the same for all feature sets.

    Parameters
    ----------
    settings : BiomarkersSettings
    problem : Problem

    Returns
    -------
    ModelOptions
    """
    classifier = settings.classifier
    if classifier == "auto":
        classifier = "logistic" if problem.n_participants <= MAX_LOGISTIC else "ridge"
    return ModelOptions(classifier, settings.n_components, combat=settings.combat is not None)


def select_participants(features: Features, participants: Sequence[str]) -> Features:
    """Select rows of features, and columns of kernels.

    Parameters
    ----------
    features : TableFeatures or KernelFeatures
    participants : sequence of str
        In the order of the result.

    Returns
    -------
    TableFeatures or KernelFeatures
        The same object if nothing changes.
    """
    selection = tuple(participants)
    if selection == features.participants:
        return features
    positions = {label: number for number, label in enumerate(features.participants)}
    rows = np.array([positions[label] for label in selection])
    if isinstance(features, TableFeatures):
        return replace(features, participants=selection, values=features.values[rows])
    unscaled = features.unscaled_kernel
    return replace(
        features,
        participants=selection,
        kernel=features.kernel[np.ix_(rows, rows)],
        unscaled_kernel=None if unscaled is None else unscaled[np.ix_(rows, rows)],
    )


def _analyse_features(
    settings: BiomarkersSettings, problem: Problem, features: Features, number: int, record: _Record
) -> None:
    """Predict one target from one feature set, in all set-ups."""
    options = model_options(settings, problem)
    key = NESTED, features.name
    # The same seed gives all feature sets the same permutations.
    permuted = None
    if settings.n_permutations:
        rng = np.random.default_rng([settings.seed, number])
        permuted = permute_residuals(problem, settings.n_permutations, rng)
    predictions, test = cross_validate(problem, features, options, permuted)
    record.predictions[key] = predictions
    if test is not None:
        record.tests[key] = test
    if settings.learning_curve:
        record.learning_curve += _learning_curve(settings, problem, features, record.sizes, predictions)
    if settings.preset:
        rng = np.random.default_rng([settings.seed, number])
        predictions, test = cross_validate_published(problem, features, settings.n_permutations, rng)
        record.predictions[PUBLISHED, features.name] = predictions
        if settings.n_permutations:
            record.tests[PUBLISHED, features.name] = test


def _learning_curve(
    settings: BiomarkersSettings,
    problem: Problem,
    features: Features,
    sizes: Sequence[int],
    predictions: Predictions,
) -> list[Row]:
    """Score smaller training samples; all participants have been analysed already."""
    options = model_options(settings, problem)

    def predict(size_problem: Problem) -> Predictions:
        if size_problem.folds.n_train is None:
            return _first_repeat(predictions)
        return cross_validate(size_problem, features, options)[0]

    reduce = _reduction(settings.seed)
    return learning_curve_rows(first_repeat(problem), features.name, predict, reduce, sizes)


def _reduction(seed: int) -> Callable[[Problem, int], Problem]:
    """Return a function that draws a training sample of at most some size."""

    def reduce(problem: Problem, size: int) -> Problem:
        return replace(problem, folds=problem.folds.reduce(size, np.random.default_rng(seed)))

    return reduce


def _first_repeat(predictions: Predictions) -> Predictions:
    def cut(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[:1]

    return Predictions(
        predictions.values[:1],
        cut(predictions.residuals),
        cut(predictions.targets),
        cut(predictions.penalties),
    )
