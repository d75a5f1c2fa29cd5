"""Simulated participants whose traits have a known origin: maps, head motion, families, sites, or nothing.

The maps of a participant are sums of patterns, whose weights are the latents. Use them with arrays
(`draw_features`), or multiply smooth images with them to get maps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_LATENTS = 24
# Latents that a trait comes from, or that motion, age, sex and site change.
TRAIT, MOTION, AGE, SEX, SITE = range(5)
SITES = ("A", "B", "C", "D")
# Mean age in years at the sites A to C, and at site D; SD within a site.
_AGE, _AGE_OF_D, _AGE_SD = 35.0, 60.0, 6.0
# Framewise displacement follows a gamma distribution; mean 0.16 mm, SD 0.08 mm.
_FD_SHAPE, _FD_SCALE = 4.0, 0.04
_FAMILY_SIZES, _PROBABILITIES = (1, 2, 3, 4), (0.25, 0.35, 0.25, 0.15)


@dataclass(frozen=True)
class Traits:
    """Traits of participants, and the latents that their maps consist of.

    Attributes
    ----------
    latents : float64 array of shape (n_participants, n_latents)
        Weights of patterns; SD 1 each, except for those that motion, age, sex or site change.
    columns : dict of str to array of shape (n_participants,)
        ``age`` in years, ``sex`` (F, M), ``site_id``, ``family_id``, ``fd_mean_mm``, and the traits:
        ``trait_maps`` (from a latent), ``trait_motion`` (from ``fd_mean_mm`` only), ``trait_null`` (from
        nothing) and ``trait_family`` (shared within families, unrelated across them).
    """

    latents: Floats
    columns: Mapping[str, NDArray[np.generic]]

    def rows(self, labels: Sequence[str]) -> list[dict[str, str]]:
        """Format the columns as rows of participants.tsv, with labels without ``sub-``."""
        texts = {
            name: [f"{item:.6g}" if values.dtype.kind == "f" else str(item) for item in values]
            for name, values in self.columns.items()
        }
        return [
            {"participant_id": f"sub-{label}"} | {name: column[number] for name, column in texts.items()}
            for number, label in enumerate(labels)
        ]


def draw_traits(
    n_participants: int,
    rng: np.random.Generator,
    *,
    n_latents: int = N_LATENTS,
    age_effect: float = 0.5,
    sex_effect: float = 1.0,
    family_share: float = 0.6,
) -> Traits:
    """Draw participants whose traits have a known origin.

    Parameters
    ----------
    n_participants : int
    rng : Generator
    n_latents : int
        At least 5.
    age_effect : float
        Change of a latent per 10 years of age; 0 for maps that differ between sites, but not with age. Site D
        is 25 years older and its maps are shifted, whatever the effect of age is.
    sex_effect : float
        Difference of a latent between F and M.
    family_share : float
        Share of the variance of latents that a family has in common; families have up to 4 members.

    Returns
    -------
    Traits
    """
    families, sites = _draw_families(n_participants, rng)
    n_families = families.max() + 1
    latents = np.sqrt(family_share) * rng.normal(size=(n_families, n_latents))[families]
    latents += np.sqrt(1 - family_share) * rng.normal(size=(n_participants, n_latents))
    trait_maps = 0.7 * latents[:, TRAIT] + np.sqrt(1 - 0.7**2) * rng.normal(size=n_participants)

    is_d = sites == len(SITES) - 1
    age = rng.normal(np.where(is_d, _AGE_OF_D, _AGE), _AGE_SD)
    sex = rng.integers(2, size=n_participants)
    fd = rng.gamma(_FD_SHAPE, _FD_SCALE, n_participants)
    motion = (fd / _FD_SCALE - _FD_SHAPE) / np.sqrt(_FD_SHAPE)
    latents[:, MOTION] += 1.5 * motion
    latents[:, AGE] += age_effect * (age - _AGE) / 10
    latents[:, SEX] += sex_effect * sex
    latents[:, SITE] += 3.0 * is_d

    noise = rng.normal(size=(3, n_participants))
    columns = {
        "age": age,
        "sex": np.array(["F", "M"])[sex],
        "site_id": np.array(SITES)[sites],
        "family_id": np.array([f"F{number:05d}" for number in families]),
        "fd_mean_mm": fd,
        "trait_maps": trait_maps,
        "trait_motion": 0.7 * motion + np.sqrt(1 - 0.7**2) * noise[0],
        "trait_null": noise[1],
        "trait_family": rng.normal(size=n_families)[families] + 0.3 * noise[2],
    }
    return Traits(latents, columns)


def draw_patterns(n_features: int, rng: np.random.Generator, n_latents: int = N_LATENTS) -> Floats:
    """Draw the patterns of small maps.

    Parameters
    ----------
    n_features : int
        Voxels of a map.
    rng : Generator
    n_latents : int

    Returns
    -------
    float64 array of shape (n_latents, n_features)
    """
    return rng.normal(size=(n_latents, n_features)) / np.sqrt(n_latents)


def draw_features(
    traits: Traits, patterns: Floats, rng: np.random.Generator, noise_sd: float = 0.5
) -> NDArray[np.float32]:
    """Draw small maps: patterns, weighted by the latents, and noise.

    Parameters
    ----------
    traits : Traits
    patterns : float64 array of shape (n_latents, n_features)
    rng : Generator
        Of the noise.
    noise_sd : float
        The latents contribute an SD of 1 or more.

    Returns
    -------
    float32 array of shape (n_participants, n_features)
    """
    maps = traits.latents @ patterns
    return (maps + noise_sd * rng.normal(size=maps.shape)).astype(np.float32)


def _draw_families(
    n_participants: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw the number of each participant's family, and of its site, which is that of the whole family."""
    sizes = rng.choice(_FAMILY_SIZES, n_participants, p=_PROBABILITIES)
    families = np.repeat(np.arange(n_participants), sizes)[:n_participants]
    sites = rng.permutation(np.arange(families.max() + 1) % len(SITES))[families]
    return families, sites
