"""``deeptaskgen store pack``: write maps to a cohort store."""

import sys
from pathlib import Path

from bids_deeptaskgen.errors import abbreviate, quantity
from bids_deeptaskgen.group.participant_table import (
    join_session_rows,
    read_participant_rows,
    warn_of_equal_series,
)
from bids_deeptaskgen.group.selection import select_maps
from bids_deeptaskgen.group.store_source import (
    PackOutcome,
    choose_set,
    describe_source,
    list_skipped,
    pack_source,
)
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
    outcome = pack_source(settings.store, source, task_numbers(settings.task))
    reasons = dict.fromkeys([*(fault.reason for fault in selection.faults), *outcome.reasons])
    print_outcome(settings.store, outcome, list(reasons))
    return 0 if outcome.is_successful and not reasons else 1


def print_outcome(store: Path, outcome: PackOutcome, reasons: list[str]) -> None:
    """Print what was packed, what is incomplete, and which maps are missing.

    Parameters
    ----------
    store : Path
        Folder of the store.
    outcome : PackOutcome
    reasons : list of str
        Why maps are missing.
    """
    n_written = sum(record is not None for record in outcome.records.values())
    n_complete = outcome.n_shards - len(outcome.incomplete)
    sys.stdout.write(
        f"{store}: {quantity(n_written, 'shard')} written; {n_complete} of {outcome.n_shards} complete, "
        f"{quantity(len(outcome.row_names), 'row')}.\n"
    )
    if skipped := list_skipped(outcome):
        sys.stdout.write(
            f"  Not written: shards {skipped}, which need maps of participants who are not selected.\n"
        )
    if outcome.incomplete:
        shards = abbreviate([str(shard) for shard in outcome.incomplete])
        sys.stdout.write(f"  Incomplete: shards {shards}. Run this command again, or its other tasks.\n")
    for reason in reasons:
        sys.stdout.write(f"  Missing map: {' '.join(reason.split())}\n")
