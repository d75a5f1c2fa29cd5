"""Permutations of participants that respect families.

Families of equal size are exchanged as a whole, and members are exchanged within each family: simultaneous
whole-block and within-block permutation (Winkler et al. 2015, NeuroImage 123:253). This assumes that all
members of a family are equally alike, and that families of equal size have the same structure.
"""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray


def permutations(
    families: ArrayLike, n_permutations: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Draw random permutations of participants within exchangeability blocks.

    Parameters
    ----------
    families : integer array of shape (n_participants,)
        Number of each participant's family; unrelated participants are families of one.
    n_permutations : int
    rng : Generator

    Yields
    ------
    integer array of shape (n_participants,)
        Participant whose value participant `i` gets. Each permutation is equally likely, and may be the
        identity.

    Examples
    --------
    Two pairs of siblings and two unrelated participants:

    >>> [order.tolist() for order in permutations([0, 0, 1, 1, 2, 3], 2, np.random.default_rng(1))]
    [[0, 1, 3, 2, 4, 5], [2, 3, 1, 0, 4, 5]]
    """
    blocks = _members_by_size(np.asarray(families))
    n_participants = np.size(families)
    for _ in range(n_permutations):
        order = np.empty(n_participants, np.intp)
        for members in blocks:
            order[members] = rng.permuted(members[rng.permutation(len(members))], axis=1)
        yield order


def log10_permutations(families: ArrayLike) -> float:
    """Compute the logarithm of the number of permutations within exchangeability blocks.

    Parameters
    ----------
    families : integer array of shape (n_participants,)
        Number of each participant's family.

    Returns
    -------
    float
        Sum over sizes s of families, of which there are k, of log10(k! (s!)^k).

    Examples
    --------
    >>> round(10 ** log10_permutations([0, 0, 1, 1, 2, 3]))  # 2! (2!)^2 of the pairs, 2! of the others
    16
    """
    sizes = Counter(np.unique(np.asarray(families), return_counts=True)[1].tolist())
    logarithm = sum(math.lgamma(k + 1) + k * math.lgamma(size + 1) for size, k in sizes.items())
    return logarithm / math.log(10)


def _members_by_size(families: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the members of all families of a size as an array of shape (n_families, size), for each size."""
    _, starts, sizes = np.unique(np.sort(families), return_index=True, return_counts=True)
    order = np.argsort(families, kind="stable")
    return [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]
