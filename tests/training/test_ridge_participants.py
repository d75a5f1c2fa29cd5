"""Participants of a ridge model are checked: connectomes, families, and the maps of each contrast."""

import logging
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.training.ridge_participants import (
    check_contrasts,
    check_groups,
    with_usable_connectomes,
)

LABELS = ("faces", "words")
N_VOXELS = 8


@dataclass
class Participant:
    """A session in memory; `n_values` counts the voxels with values of each contrast."""

    name: str
    group: str
    n_values: tuple[int, ...] = (N_VOXELS, N_VOXELS)
    values: np.ndarray = field(default_factory=lambda: np.ones((2, N_VOXELS), np.float32))

    def connectome(self):
        return self.values

    @property
    def cached(self):
        maps = np.full((len(LABELS), N_VOXELS), np.nan)
        for row, n in zip(maps, self.n_values, strict=True):
            row[:n] = 1
        return SimpleNamespace(name=self.name, statmaps=lambda: maps)


def cohort(n, n_with_words=None, n_values=N_VOXELS):
    """Make unrelated participants, of whom some have all voxels of the contrast ``words``."""
    n_with_words = n if n_with_words is None else n_with_words
    return [
        Participant(f"sub-{i}", str(i), (N_VOXELS, N_VOXELS if i < n_with_words else N_VOXELS - n_values))
        for i in range(n)
    ]


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    return caplog


def test_connectomes_with_nan_or_without_signal_are_left_out_and_named(log):
    participants = cohort(4)
    participants[1].values = np.zeros((2, N_VOXELS), np.float32)
    participants[2].values = np.where(np.arange(N_VOXELS) == 3, np.nan, 1) * np.ones((2, 1))
    usable = with_usable_connectomes(participants)
    assert [participant.name for participant in usable] == ["sub-0", "sub-3"]
    assert "is zero in all voxels that the model predicts: sub-1." in log.text
    assert "contains NaN or infinite values: sub-2." in log.text


def test_voxels_without_signal_are_usable(log):
    participants = cohort(1)
    participants[0].values[:, :5] = 0
    assert with_usable_connectomes(participants) == participants
    assert not log.text


@pytest.mark.parametrize(
    ("n_test", "advice"),
    [(0, r"\nAdd participants\.$"), (4, r"Add participants, or reserve fewer than 4 for the test")],
)
def test_fewer_than_three_families_are_refused_with_advice_that_helps(n_test, advice):
    with pytest.raises(InputError, match=advice) as caught:
        check_groups(["a", "a", "b"], n_test)
    assert str(caught.value).startswith("2 unrelated training participants")
    check_groups(["a", "b", "c"], n_test)


def test_a_contrast_of_fewer_than_three_families_is_refused_by_name():
    participants = cohort(12, 3)
    participants[2].group = participants[1].group
    with pytest.raises(InputError, match=r"words \(2\)\.\nExclude these contrasts") as caught:
        check_contrasts(participants, LABELS)
    assert "faces" not in str(caught.value)


def test_maps_of_half_of_the_voxels_do_not_count():
    with pytest.raises(InputError, match=r"words \(2\)"):
        check_contrasts(cohort(12, 2, n_values=N_VOXELS // 2), LABELS)
    check_contrasts(cohort(12, 2, n_values=N_VOXELS // 2 - 1), LABELS)


def test_few_participants_of_a_contrast_are_a_warning(log):
    check_contrasts(cohort(12, 9), LABELS)
    (few, different) = [record.getMessage() for record in log.records]
    assert few.startswith("Fewer than 10 unrelated training participants")
    assert "other cohorts: words (9)." in few
    assert "(their number in parentheses): words (3)." in different
    assert "Train such contrasts separately (`contrasts`)." in different


def test_few_participants_of_all_contrasts_are_one_warning(log):
    check_contrasts(cohort(5), LABELS)
    (message,) = [record.getMessage() for record in log.records]
    assert message.startswith("Only 5 unrelated training participants")


@pytest.mark.parametrize(("n_with_words", "warns"), [(18, False), (17, True)])
def test_contrasts_of_different_participants_are_a_warning(log, n_with_words, warns):
    check_contrasts(cohort(20, n_with_words), LABELS)
    assert ("More than 10% of the 20 sessions lack a measured map" in log.text) == warns


def test_complete_cohorts_pass_silently(log):
    check_contrasts(cohort(12), LABELS)
    assert not log.text
