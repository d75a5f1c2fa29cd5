"""Permutations of participants that respect families.

Families of equal size are exchanged as a whole, and members are exchanged within each family: simultaneous
whole-block and within-block permutation (Winkler et al. 2015, NeuroImage 123:253). This assumes that all
members of a family are equally alike, and that families of equal size have the same structure.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

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
    [[1, 0, 2, 3, 4, 5], [3, 2, 1, 0, 4, 5]]
    """
    blocks = _members_by_size(np.asarray(families))
    n_participants = np.size(families)
    for _ in range(n_permutations):
        order = np.empty(n_participants, np.intp)
        for members in blocks:
            order[members] = rng.permuted(members[rng.permutation(len(members))], axis=1)
        yield order


def log10_arrangements(values: ArrayLike, families: ArrayLike) -> float:
    """Compute the logarithm of the number of different results of permutations.

    Parameters
    ----------
    values : array of shape (n_participants,)
        What is permuted; permutations that exchange equal values have one result.
    families : integer array of shape (n_participants,)
        Number of each participant's family.

    Returns
    -------
    float
        log10 of the product of k! / (m1! m2! ...) for each size of families, of which there are k, where m
        families have the same values, and of s! / (n1! n2! ...) for each family of size s, where n members
        have the same value.

    Examples
    --------
    Two pairs and two unrelated participants: 2! (2!)^2 2!. The pairs have one value each: 2! 2!.

    >>> round(10 ** log10_arrangements([1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 2, 3]))
    16
    >>> round(10 ** log10_arrangements([1, 1, 2, 2, 5, 6], [0, 0, 1, 1, 2, 3]))
    4
    """
    codes = np.unique(np.asarray(values), return_inverse=True)[1]
    logarithm = 0.0
    for members in _members_by_size(np.asarray(families)):
        contents = Counter(tuple(sorted(row)) for row in codes[members].tolist())
        logarithm += _log_orders(contents.values())
        logarithm += sum(n * _log_orders(Counter(row).values()) for row, n in contents.items())
    return logarithm / math.log(10)


def _log_orders(counts: Iterable[int]) -> float:
    """Return the logarithm of the number of orders of things of which some are equal."""
    counts = list(counts)
    return math.lgamma(sum(counts) + 1) - sum(math.lgamma(count + 1) for count in counts)


def _members_by_size(families: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the members of all families of a size as an array of shape (n_families, size), for each size."""
    _, starts, sizes = np.unique(np.sort(families), return_index=True, return_counts=True)
    order = np.argsort(families, kind="stable")
    return [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]
