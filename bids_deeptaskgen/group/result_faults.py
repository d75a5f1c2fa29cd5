"""List of the maps of an output dataset that cannot be used."""

from collections.abc import Mapping, Sequence

from bids_deeptaskgen.bids.output.results import ResultFault
from bids_deeptaskgen.errors import abbreviate


def list_faults(faults: Sequence[ResultFault]) -> list[dict[str, str | None]]:
    """List unusable maps for the table of missing maps, one row for each session.

    Parameters
    ----------
    faults : sequence of ResultFault

    Returns
    -------
    list of dict
        ``participant_id``, ``session_id`` and ``reason``, as those of `find_missing`.

    Examples
    --------
    >>> list_faults([ResultFault("01", None, ("wm2bk",), "sub-01.nii.gz: is empty.")])
    [{'participant_id': 'sub-01', 'session_id': None, 'reason': 'wm2bk: sub-01.nii.gz: is empty.'}]
    """
    by_session: dict[tuple[str, str | None], dict[str, list[str]]] = {}
    for fault in faults:
        session = f"ses-{fault.session}" if fault.session else None
        reasons = by_session.setdefault((f"sub-{fault.subject}", session), {})
        reasons.setdefault(fault.reason, []).extend(fault.contrasts)
    return [
        {"participant_id": name, "session_id": session, "reason": _join_reasons(reasons)}
        for (name, session), reasons in by_session.items()
    ]


def _join_reasons(reasons: Mapping[str, Sequence[str]]) -> str:
    """Join the reasons of a session; the first is complete, the others are named by their contrasts."""
    first, *further_reasons = reasons
    labels = abbreviate(list(dict.fromkeys(reasons[first])))
    text = f"{labels}: {first}" if labels else first
    other_labels = list(dict.fromkeys(label for reason in further_reasons for label in reasons[reason]))
    if further_reasons:
        text += f" The same holds for other maps ({abbreviate(other_labels) or len(further_reasons)})."
    return text


def join_missing(
    missing_rows: Sequence[dict[str, str | None]], fault_rows: Sequence[dict[str, str | None]]
) -> list[dict[str, str | None]]:
    """Join participants without maps and unusable maps; of one session, the reason of the files counts.

    Parameters
    ----------
    missing_rows : sequence of dict
        Participants and sessions without maps: ``participant_id``, ``session_id`` and ``reason``.
    fault_rows : sequence of dict
        Result of `list_faults`.

    Returns
    -------
    list of dict
        Sorted by participant and session.
    """
    participants = {row["participant_id"] for row in fault_rows}
    sessions = {(row["participant_id"], row["session_id"]) for row in fault_rows}
    rows = [
        row
        for row in missing_rows
        if (row["participant_id"], row["session_id"]) not in sessions
        and (row["session_id"] or row["participant_id"] not in participants)
    ]
    return sorted(
        [*rows, *fault_rows], key=lambda row: (row["participant_id"] or "", row["session_id"] or "")
    )
