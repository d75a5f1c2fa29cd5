import numpy as np
import pytest

from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.simulation.population import (
    contrast_weights,
    elementary_conditions,
    population,
)

NAMES = [contrast.source_name for contrast in load_contrasts()]


def weights(name):
    return population().weights[NAMES.index(name)]


def test_there_are_about_sixty_networks_with_a_region_each():
    participants = population()
    assert 50 <= participants.n_networks <= 70
    assert set(participants.network) == set(range(participants.n_networks))
    assert (participants.strength > 0).all()


def test_networks_of_one_system_go_together_more_than_others():
    participants = population()
    covariance = participants.mixing.T @ participants.mixing
    np.testing.assert_allclose(np.diag(covariance), 1, atol=1e-9)
    same = np.equal.outer(participants.systems, participants.systems) & ~np.eye(
        participants.n_networks, dtype=bool
    )
    apart = ~np.equal.outer(participants.systems, participants.systems)
    assert covariance[same].mean() > covariance[apart].mean() + 0.3


@pytest.mark.parametrize("name", [name for name in NAMES if "-" in name])
def test_a_difference_engages_what_the_first_does_more_than_the_second(name):
    task, condition = name.split(maxsplit=1)
    first, second = condition.split("-")
    if second == "AVG" and f"{task} AVG" not in NAMES:
        members = [weights(f"{task} {part}") for part in ("BODY", "FACE", "PLACE", "TOOL")]
        expected = weights(f"{task} {first}") - np.mean(members, axis=0)
    else:
        expected = weights(f"{task} {first}") - weights(f"{task} {second}")
    np.testing.assert_allclose(weights(name), expected, atol=1e-12)
    assert np.abs(expected).max() > 0.1


def test_conditions_of_one_task_share_a_part():
    def alike(one, other):
        return np.corrcoef(weights(one), weights(other))[0, 1]

    assert alike("SOCIAL TOM", "SOCIAL RANDOM") > alike("SOCIAL TOM", "LANGUAGE STORY") + 0.2


def test_elementary_conditions_are_found():
    names = [
        "2BK_BODY",
        "2BK_FACE",
        "0BK_BODY",
        "0BK_FACE",
        "2BK",
        "0BK",
        "2BK-0BK",
        "BODY",
        "BODY-AVG",
        "AVG",
    ]
    assert elementary_conditions(names) == names[:4]
    assert elementary_conditions(["MATH", "STORY", "MATH-STORY"]) == ["MATH", "STORY"]


def test_a_condition_in_other_names_is_their_mean():
    conditions = {"2BK_BODY": np.array([1.0]), "2BK_FACE": np.array([3.0]), "0BK_BODY": np.array([8.0])}
    assert contrast_weights("2BK", conditions) == 2
    assert contrast_weights("BODY", conditions) == 4.5
    assert contrast_weights("AVG", conditions) == 4
    assert contrast_weights("BODY-AVG", conditions) == 0.5
