"""Calibration of a network: mean maps without the participant's own maps and those of relatives."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from bids_deeptaskgen.stats.calibration import Calibration
from bids_deeptaskgen.training import export
from bids_deeptaskgen.training.cached_participants import group_relatives, sum_maps
from bids_deeptaskgen.training.pairs import Pair


@dataclass(frozen=True)
class MeasuredParticipant:
    """A participant whose maps are in memory."""

    pair: Pair
    maps: np.ndarray

    def statmaps(self):
        return self.maps


def cohort():
    """Simulate sessions of two participants who are alone, one with two sessions, and of a family of two."""
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((6, 2, 30)) + rng.standard_normal((2, 30))
    maps[1, 0] = np.nan
    maps[2, 1, :5] = np.nan
    subjects = (("01", ""), ("02", ""), ("03", ""), ("03", ""), ("04", "a"), ("05", "a"))
    pairs = [Pair(subject, family, "", None, {}) for subject, family in subjects]
    return [MeasuredParticipant(*row) for row in zip(pairs, maps, strict=True)]


def test_sessions_of_a_participant_and_members_of_a_family_are_relatives():
    groups = group_relatives(cohort())
    assert [[item.pair.subject for item in group] for group in groups] == [
        ["01"], ["02"], ["03", "03"], ["04", "05"],
    ]  # fmt: skip


def test_each_mean_map_leaves_out_all_relatives(monkeypatch):
    participants = cohort()
    predicted = {id(item): item.maps[:, ::-1].copy() for item in participants}
    for maps in predicted.values():
        maps[~np.isfinite(maps)] = 0
    monkeypatch.setattr(export, "predict_participant", lambda _, item, __: predicted[id(item)])
    module = SimpleNamespace(output_places=SimpleNamespace(device="cpu"))
    calibration = export.calibrate(module, sum_maps(participants), participants)
    expected = Calibration(2)
    for item in participants:
        key = item.pair.family or item.pair.subject
        others = [other.maps for other in participants if (other.pair.family or other.pair.subject) != key]
        expected.add(predicted[id(item)], item.maps, np.nanmean(others, axis=0))
    np.testing.assert_array_equal(calibration.n_participants, [5, 6])
    np.testing.assert_allclose(calibration.mean_r, expected.mean_r, atol=1e-6)
