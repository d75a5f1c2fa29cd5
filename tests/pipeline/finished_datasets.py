"""Participants with files in name and header only, and output that counts as finished."""

from pathlib import Path

from bids_deeptaskgen.bids.input.sessions import SessionFault
from bids_deeptaskgen.bids.input.sources import find_sessions, locate
from bids_deeptaskgen.bids.output.completion import input_fingerprint, write_completion
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.bids.trees import touch


def context_of(root, output, model, **changes):
    """Return the context of a run over a dataset."""
    settings = ParticipantSettings(root, output, **({"model": str(model), "reports": "none"} | changes))
    dataset = locate(settings.bids_dir, settings.derivatives, desc=settings.desc)
    return make_context(settings, dataset)


def finish(context, subjects):
    """Write empty maps and the completion records of participants; return the names of the maps."""
    settings, names = context.settings, []
    for subject in subjects:
        for session in sessions_of(context, subject):
            assert not isinstance(session, SessionFault), session
            paths = [
                map_path(settings.output_dir, session, label) for label in context.required_maps.contrasts
            ]
            names += [touch(path) for path in paths]
            write_completion(
                settings.output_dir,
                session,
                {},
                files=paths,
                settings_hash=context.settings_hash,
                fingerprint=input_fingerprint(session),
            )
    return names


def sessions_of(context, subject):
    return find_sessions(
        context.dataset,
        subject,
        context.query,
        combine_runs=context.settings.combine_runs,
        uses_pybids=False,
    )


def map_path(output: Path, session, label):
    return output_path(
        output,
        "statmap",
        subject=session.subject,
        session=session.session,
        entities=session.entities,
        contrast=label,
    )
