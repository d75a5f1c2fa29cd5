"""Sessions of each participant in a design."""

import re
from collections.abc import Sequence

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.observations import Observation

_DIFFERENCE = re.compile(r"(?:ses-)?([A-Za-z0-9]+)-(?:ses-)?([A-Za-z0-9]+)")


def split_difference(session_difference: str) -> tuple[str, str]:
    """Split a difference of sessions into both labels.

    Parameters
    ----------
    session_difference : str
        Later and earlier session, for example ``post-pre``.

    Returns
    -------
    (str, str)

    Raises
    ------
    UserError
        If it is not a difference of two sessions.

    Examples
    --------
    >>> split_difference("ses-post-ses-pre")
    ('post', 'pre')
    """
    match = _DIFFERENCE.fullmatch(session_difference.strip())
    if not match or match[1] == match[2]:
        message = (
            f"`session_difference` {session_difference!r} does not name two different sessions. Write the "
            "later and the earlier label, for example post-pre."
        )
        raise UserError(message)
    return match[1], match[2]


def sessions_by_participant(
    observations: Sequence[Observation], difference: tuple[str, str] | None
) -> tuple[dict[str, tuple[Observation, ...]], dict[str, str]]:
    """Choose the sessions of each participant.

    Parameters
    ----------
    observations : sequence of Observation
    difference : (str, str) or None
        Later and earlier session of a difference; None for all sessions.

    Returns
    -------
    sessions_used : dict of str to tuple of Observation
        By participant, in order; the later session first for a difference.
    excluded : dict of str to str
        Reason by participant.

    Raises
    ------
    UserError
        If a session of the difference does not exist.
    """
    sessions: dict[str, list[Observation]] = {}
    for observation in observations:
        sessions.setdefault(observation.subject, []).append(observation)
    if difference is None:
        return {name: tuple(group) for name, group in sorted(sessions.items())}, {}
    labels = sorted({observation.session for observation in observations if observation.session})
    if lacking_sessions := [label for label in difference if label not in labels]:
        existing = f"Sessions with maps: {', '.join(labels)}" if labels else "The maps have no sessions"
        message = (
            f"`session_difference` names {' and '.join(lacking_sessions)}, which has no maps. {existing}."
        )
        raise UserError(message)
    sessions_used, excluded = {}, {}
    for name, group in sorted(sessions.items()):
        by_label = {observation.session: observation for observation in group}
        if lacking_sessions := [label for label in difference if label not in by_label]:
            excluded[name] = f"no maps of session {' and '.join(lacking_sessions)}"
        else:
            sessions_used[name] = tuple(by_label[label] for label in difference)
    return sessions_used, excluded
