"""``deeptaskgen store pack``: write maps to a cohort store."""

import sys

from bids_deeptaskgen.group.pack_store import describe_outcome, pack_source
from bids_deeptaskgen.group.participant_table import (
    join_session_rows,
    read_participant_rows,
    warn_of_equal_series,
)
from bids_deeptaskgen.group.selection import select_maps
from bids_deeptaskgen.group.store_source import choose_set, describe_source
from bids_deeptaskgen.settings.group import GroupSettings
from bids_deeptaskgen.settings.store import StorePackSettings, task_numbers


def run(settings: StorePackSettings) -> int:
    """Create, extend or complete a store.

    Parameters
    ----------
    settings : StorePackSettings

    Returns
    -------
    int
        1 if a map cannot be used, or maps of participants who are not selected are needed. 0 otherwise.

    Raises
    ------
    UserError
        If the store has maps of another model, mask, settings, task or contrasts, or the disk is too small.
    InputError
        If no participant has maps that can be used.
    """
    output = settings.output_dir
    # `overwrite` concerns the files of the group level, which this command does not write.
    choices = GroupSettings(
        bids_dir=output,
        output_dir=output,
        participant_label=settings.participant_label,
        exclude_participant_label=settings.exclude_participant_label,
        contrasts=settings.contrasts,
        overwrite=True,
    )
    selection = select_maps(choices)
    group_set = choose_set(selection.sets, settings.set_name)
    warn_of_equal_series(group_set.results)
    participants = read_participant_rows(output, set(group_set.participants))
    source = describe_source(
        output,
        group_set,
        join_session_rows(group_set.results, participants, {}),
        settings.store,
        contrasts=selection.contrasts,
        precision=settings.precision,
        faults=selection.faults,
    )
    outcome = pack_source(settings.store, source, task_numbers(settings.task), verify=settings.verify)
    reasons = dict.fromkeys([*(fault.reason for fault in selection.faults), *outcome.reasons])
    sys.stdout.write(describe_outcome(outcome, reasons))
    return 0 if outcome.is_successful and not reasons else 1
