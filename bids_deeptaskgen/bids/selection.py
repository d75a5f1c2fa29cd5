"""Selection of participants by label."""

import logging
from collections.abc import Iterable, Sequence

from bids_deeptaskgen.errors import UserError, abbreviate

logger = logging.getLogger("bids_deeptaskgen")


def remaining_labels(labels: Iterable[str], excluded: Sequence[str]) -> set[str]:
    """Remove the labels of excluded participants; warn about excluded labels that do not exist.

    Parameters
    ----------
    labels : iterable of str
        Labels of the participants without ``sub-``, after the selection by ``participant_label``.
    excluded : sequence of str
        Labels without ``sub-``.

    Returns
    -------
    set of str

    Raises
    ------
    UserError
        If there were labels and none remains.

    Examples
    --------
    >>> sorted(remaining_labels(["01", "02", "03"], ["02"]))
    ['01', '03']
    """
    candidates = set(labels)
    if unknown_labels := [f"sub-{label}" for label in excluded if label not in candidates]:
        logger.warning(
            "`exclude_participant_label`: %s is not among the %d participants; check the spelling.",
            abbreviate(unknown_labels), len(candidates),
        )  # fmt: skip
    remaining = candidates - set(excluded)
    if candidates and not remaining:
        message = f"`exclude_participant_label` leaves none of the {len(candidates)} participants."
        raise UserError(message)
    return remaining
