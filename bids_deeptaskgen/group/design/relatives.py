"""Relatives among the participants of a design."""

from collections.abc import Mapping, Sequence

import numpy as np

from bids_deeptaskgen.group.design.observations import is_missing


def families(participants: Sequence[str], family_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Group participants with relatives by family.

    Parameters
    ----------
    participants : sequence of str
    family_of : dict of str to str
        Family by participant; empty if unknown.

    Returns
    -------
    dict of str to list of str
        Families of at least two participants, sorted.

    Examples
    --------
    >>> families(["1", "2", "3", "4"], {"1": "A", "2": "", "3": "A", "4": "B"})
    {'A': ['1', '3']}
    """
    members: dict[str, list[str]] = {}
    for participant in participants:
        family = family_of.get(participant, "")
        if not is_missing(family):
            members.setdefault(family.strip(), []).append(participant)
    return {family: sorted(group) for family, group in sorted(members.items()) if len(group) > 1}


def choose_one_per_family(groups: Mapping[str, Sequence[str]], random_seed: int) -> dict[str, str]:
    """Draw one participant of each family at random.

    Parameters
    ----------
    groups : dict of str to sequence of str
        Families of at least two participants.
    random_seed : int

    Returns
    -------
    dict of str to str
        Reason by participant, for those that were not drawn.

    Examples
    --------
    >>> sorted(choose_one_per_family({"A": ["1", "3"]}, 0).values())
    ['relative of sub-3, who was drawn from the family']
    """
    random = np.random.default_rng(random_seed)
    excluded: dict[str, str] = {}
    for group in groups.values():
        representative = group[int(random.integers(len(group)))]
        excluded |= {
            participant: f"relative of sub-{representative}, who was drawn from the family"
            for participant in group
            if participant != representative
        }
    return excluded
