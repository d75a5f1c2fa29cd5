"""What a run would do, in words: the end of what ``--dry-run`` shows."""

from collections.abc import Sequence
from math import ceil

from bids_deeptaskgen.bids.dataset import methods_sentences
from bids_deeptaskgen.bids.names import Entities
from bids_deeptaskgen.bids.outputs import Maps
from bids_deeptaskgen.bids.preflight import Preflight
from bids_deeptaskgen.bids.results import read_results
from bids_deeptaskgen.nn.bundle import Bundle
from bids_deeptaskgen.nn.card import Card
from bids_deeptaskgen.settings import ParticipantSettings, science_settings
from bids_deeptaskgen.workflow.results import wanted_maps


def describe_plan(
    settings: ParticipantSettings, bundle: Bundle, settings_hash: str, rows: Sequence[Preflight]
) -> str:
    """Say how the maps would be made, in how many chunks, who is done and who is to do.

    Parameters
    ----------
    settings : ParticipantSettings
    bundle : Bundle
        The model.
    settings_hash : str
        Of the settings and the model; maps of others count as not done.
    rows : sequence of Preflight
        Of everyone.

    Returns
    -------
    str
    """
    cleaning, sampling = methods_sentences(science_settings(settings))
    usable = sorted({row.subject for row in rows if not row.reason})
    done = _done(settings, wanted_maps(settings, bundle), settings_hash, rows)
    to_do = [subject for subject in usable if subject not in done]
    n_chunks = ceil(len(usable) / settings.chunk_size)
    lines = [
        f"Cleaning: --nuisance-regressors {settings.nuisance_regressors}. {_one_line(cleaning)}",
        f"Windows: {_windows(settings, bundle.card)}. {_one_line(sampling)}",
        f"Chunks: {n_chunks} of up to {settings.chunk_size} people.",
        f"Done already, unless their input has changed: {_people(sorted(done))}",
        f"To do: {_people(to_do)}",
        f"Nothing was computed (--dry-run); {len(to_do)} people would be done.",
    ]
    return "\n".join(lines)


def _done(
    settings: ParticipantSettings, wanted: Maps, settings_hash: str, rows: Sequence[Preflight]
) -> set[str]:
    """Tell who has all their maps, by names and completion records; no input is opened for it."""
    usable = [row for row in rows if not row.reason]
    finished: dict[tuple[str, str | None], set[Entities]] = {}
    subjects = sorted({row.subject for row in usable})
    for result in read_results(settings.output_dir, subjects) if subjects else ():
        if result.settings_hash == settings_hash and result.maps.cover(wanted):
            finished.setdefault((result.subject, result.session), set()).add(result.entities)
    left = {
        row.subject
        for row in usable
        if not row.series(combine_runs=settings.combine_runs)
        <= finished.get((row.subject, row.session), set())
    }
    return set(subjects) - left


def _windows(settings: ParticipantSettings, card: Card) -> str:
    if settings.n_windows != "auto":
        return f"{settings.n_windows} of each run"
    if card.window_minutes is None:
        return "1 of each run (the model does not say on which length it was trained)"
    return f"as many of each run as come nearest to {card.window_minutes:g} minutes"


def _people(subjects: Sequence[str]) -> str:
    listed = " ".join(f"sub-{subject}" for subject in subjects)
    return f"{len(subjects)} people" + (f" ({listed})" if listed else "") + "."


def _one_line(text: str) -> str:
    return " ".join(text.split())
