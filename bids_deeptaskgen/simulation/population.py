"""The fixed population of the simulated participants: networks, their covariance and their task responses.

The population does not depend on a user's seed: all simulated participants belong to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray

from bids_deeptaskgen.grid import Array
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.simulation.coordinate_rois import mirror_groups

POPULATION_SEED = 20_250_901
POINTS_PER_NETWORK = 4.75
# Networks of which the left and the right half are a network each, so that hands and feet have sides.
ONE_SIDED = ("SomatomotorDorsal",)
# Size of condition maps in units of z.
WEIGHT_SCALE = 1.8
# Systems that the tasks engage (+) or suppress (-), by Seitzman's names.
TASK_SYSTEMS: dict[str, dict[str, float]] = {
    "LANGUAGE": {"Auditory": 2.0, "VentralAttention": 2.0, "FrontoParietal": 0.5},
    "RELATIONAL": {"Visual": 1.5, "FrontoParietal": 1.5, "DorsalAttention": 1.5, "DefaultMode": -1.0},
    "SOCIAL": {"Visual": 2.0, "VentralAttention": 1.0, "DefaultMode": 0.5, "DorsalAttention": 0.5},
    "EMOTION": {"Visual": 2.0, "MedialTemporalLobe": 1.5, "Salience": 0.5, "DefaultMode": -0.5},
    "WM": {"FrontoParietal": 2.0, "DorsalAttention": 1.0, "Visual": 1.0, "DefaultMode": -1.5},
    "MOTOR": {"CinguloOpercular": 0.5, "Visual": 0.5, "DefaultMode": -0.5},
    "GAMBLING": {"Visual": 1.5, "Reward": 1.5, "Salience": 1.0, "DefaultMode": -0.5},
}
# Body part -> side of the brain (x < 0 is left) and height of its strip in mm, for the motor task.
MOTOR_STRIP = {"LF": (1, 70.0), "RF": (-1, 70.0), "LH": (1, 52.0), "RH": (-1, 52.0)}
MOTOR_STRENGTH, MOTOR_WIDTH_MM = 4.0, 9.0


@dataclass(frozen=True, eq=False)
class Population:
    """The properties common to all simulated participants.

    Attributes
    ----------
    points_mm : array of shape (n_points, 3)
        Centres of the networks' regions, MNI coordinates in mm.
    network : integer array of shape (n_points,)
        Network of each region.
    strength : array of shape (n_points,)
        Strength of a region in its network; the sides of the brain differ.
    systems : tuple of str
        System of each network.
    mixing : array of shape (n_networks, n_networks)
        Transforms independent signals into signals with the covariance of the networks.
    weights : array of shape (n_contrasts, n_networks)
        Response of each network in each contrast.
    """

    points_mm: Array
    network: NDArray[np.intp]
    strength: Array
    systems: tuple[str, ...]
    mixing: Array
    weights: Array

    @property
    def n_networks(self) -> int:
        """Return the number of networks."""
        return len(self.systems)


@cache
def population() -> Population:
    """Build the population from the 300 regions of Seitzman et al. (2020), which nilearn ships.

    Returns
    -------
    Population
        About 60 networks (NeuroImage 206:116290 names 13 systems; each is cut into neighbourhoods, mostly
        of both hemispheres) and the 47 contrasts of the package.
    """
    rng = np.random.default_rng(POPULATION_SEED)
    points, network, systems = _networks()
    sided = 1 - rng.normal(0, 0.2, len(systems))[network] * np.sign(points[:, 0])
    strength = sided.clip(0.3, 1.7) * rng.uniform(0.7, 1.0, len(points))
    mixing = np.linalg.cholesky(_network_covariance(systems, rng))
    weights = _contrast_weights(systems, _centres(points, network), rng)
    return Population(points, network, strength, systems, mixing.T, weights)


def _networks() -> tuple[Array, NDArray[np.intp], tuple[str, ...]]:
    """Split each system into networks; return regions in mm, their networks, and the networks' systems."""
    atlas = datasets.fetch_coords_seitzman_2018()
    all_points = np.asarray(atlas.rois[["x", "y", "z"]], np.float64)
    labels = np.asarray(atlas.networks)
    points: list[Array] = []
    network: list[NDArray[np.intp]] = []
    systems: list[str] = []
    for system in sorted(set(labels) - {"unassigned"}):
        system_points = all_points[labels == system]
        n_groups = max(1, round(len(system_points) / POINTS_PER_NETWORK))
        if system in ONE_SIDED:
            # Twice the group plus the side: even numbers are left, odd numbers are right.
            groups = 2 * mirror_groups(system_points, n_groups // 2) + (system_points[:, 0] > 0)
            groups = np.unique(groups, return_inverse=True)[1]
        else:
            groups = mirror_groups(system_points, n_groups)
        points.append(system_points)
        network.append(groups + len(systems))
        systems += [system] * (int(groups.max()) + 1)
    return np.concatenate(points), np.concatenate(network), tuple(systems)


def _centres(points: Array, network: NDArray[np.intp]) -> Array:
    return np.stack([points[network == k].mean(axis=0) for k in range(int(network.max()) + 1)])


def _network_covariance(systems: tuple[str, ...], rng: np.random.Generator) -> Array:
    """Compute the networks' covariance: parts of the network, of its system, and of shared dimensions."""
    same_system = np.equal.outer(systems, systems)
    names = sorted(set(systems))
    shared = rng.standard_normal((len(names), 6))[[names.index(system) for system in systems]]
    shared += 0.7 * rng.standard_normal(shared.shape)
    shared /= np.linalg.norm(shared, axis=1, keepdims=True)
    covariance: Array = 0.35 * np.eye(len(systems)) + 0.35 * same_system + 0.3 * shared @ shared.T
    return covariance


def _contrast_weights(systems: tuple[str, ...], centres: Array, rng: np.random.Generator) -> Array:
    """Draw the weights of all contrasts, in channel order, shape (n_contrasts, n_networks)."""
    names = [contrast.source_name.split(maxsplit=1) for contrast in load_contrasts()]
    tasks = list(dict.fromkeys(task for task, _ in names))
    # All tasks involve a screen and buttons, so their responses share a component.
    everywhere = 0.5 * rng.standard_normal(len(systems))
    by_task = {}
    for task in tasks:
        conditions = elementary_conditions([name for of_task, name in names if of_task == task])
        engaged = 1.3 * np.array([TASK_SYSTEMS.get(task, {}).get(system, 0.0) for system in systems])
        shared = engaged + everywhere + 0.6 * rng.standard_normal(len(systems))
        by_task[task] = {
            condition: shared
            + 0.7 * rng.standard_normal(len(systems))
            + (_motor_strip(condition, systems, centres) if task == "MOTOR" else 0)
            for condition in conditions
        }
    return WEIGHT_SCALE * np.stack([contrast_weights(name, by_task[task]) for task, name in names])


def _motor_strip(condition: str, systems: tuple[str, ...], centres: Array) -> Array:
    """Compute the response of the contralateral motor strip; 0 for body parts without a side."""
    side, height_mm = MOTOR_STRIP.get(condition, (0, 0.0))
    in_strip = np.array([system in ONE_SIDED for system in systems]) & (np.sign(centres[:, 0]) == side)
    nearness = np.exp(-0.5 * ((centres[:, 2] - height_mm) / MOTOR_WIDTH_MM) ** 2)
    return np.asarray(MOTOR_STRENGTH * in_strip * nearness)


def elementary_conditions(names: list[str]) -> list[str]:
    """Find the elementary conditions of a task.

    Parameters
    ----------
    names : list of str
        Names of the task's contrasts without the task, e.g. ``2BK_BODY``, ``2BK``, ``2BK-0BK``, ``AVG``.

    Returns
    -------
    list of str
        Names that are no difference, no average, and not part of a longer name.
    """
    single = [name for name in names if "-" not in name and name != "AVG"]
    parts = {name: set(name.split("_")) for name in single}
    return [name for name in single if not any(parts[name] < words for words in parts.values())]


def contrast_weights(name: str, conditions: Mapping[str, Array]) -> Array:
    """Compute the weights of a contrast from those of its task's conditions.

    Parameters
    ----------
    name : str
        ``A``, ``A-B``, ``AVG`` or ``A-AVG``; ``2BK`` is the mean of all conditions that have ``2BK`` in their
        name, and ``AVG`` that of all conditions.
    conditions : mapping of str to array
        Weights of the elementary conditions.

    Returns
    -------
    array
        Weights of the contrast.
    """
    if "-" in name:
        first, second = name.split("-")
        return contrast_weights(first, conditions) - contrast_weights(second, conditions)
    parts = set() if name == "AVG" else set(name.split("_"))
    members = [value for key, value in conditions.items() if parts <= set(key.split("_"))]
    return np.asarray(np.mean(members, axis=0))
