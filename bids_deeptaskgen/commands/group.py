"""Group level: statistics over the participants of an output dataset, and a page."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.errors import InputError, quantity
from bids_deeptaskgen.group.earlier_files import permutation_files, refuse_lost_tests
from bids_deeptaskgen.group.missing_sessions import find_missing
from bids_deeptaskgen.group.pack_store import describe_outcome, pack_source
from bids_deeptaskgen.group.prepared_set import PreparedSet, check_designs, prepare_set
from bids_deeptaskgen.group.publish import check_writable, publish, staging_folder
from bids_deeptaskgen.group.regions.plan import check_measured, table_bytes
from bids_deeptaskgen.group.result_faults import join_missing, list_faults
from bids_deeptaskgen.group.run_set import run_set
from bids_deeptaskgen.group.selection import (
    Selection,
    explain_nothing,
    refuse_loss,
    select_maps,
    set_rows,
)
from bids_deeptaskgen.group.set_analysis import check_disk_space
from bids_deeptaskgen.group.store_source import StoreSource, check_source, choose_set, describe_source
from bids_deeptaskgen.group.tables import write_group_table
from bids_deeptaskgen.group.write_page import write_page
from bids_deeptaskgen.io.tsv import join_columns
from bids_deeptaskgen.settings.group import GroupSettings


def run(settings: GroupSettings) -> int:
    """Write the maps, tables and the page of a group.

    Parameters
    ----------
    settings : GroupSettings

    Returns
    -------
    int
        1 if maps of a participant cannot be used, or a contrast or set cannot be tested or compared with
        measured maps: they are listed, and all others are used. 0 otherwise; participants without maps are
        listed and are not an error.

    Raises
    ------
    InputError
        If no participant has maps that can be used, a table cannot be read, or no set can be compared with
        measured maps.
    UserError
        If the design cannot be tested in any set, existing group files include other participants than
        those of ``--participant-label``, tests with permutations would be removed, or the disk is too
        small.
    """
    output = settings.output_dir
    rng = np.random.default_rng(settings.random_seed)
    selection = select_maps(settings)
    check_writable(output)
    # All tables and designs first: one that is unusable must stop before anything is computed.
    prepared_sets = [
        prepare_set(settings, group_set, rng, selection.contrasts) for group_set in selection.sets
    ]
    check_designs(prepared_sets)
    is_compared = check_measured({item.group_set.name: item.regions for item in prepared_sets})
    missing_rows = _missing_rows(settings, selection)
    permutation_maps = permutation_files(prepared_sets, selection)
    refuse_lost_tests(settings, permutation_maps)
    store_source = _describe_store(settings, selection, prepared_sets)
    keeps_work = settings.work_dir is not None
    with staging_folder(settings.work_dir or output / "work", keep=keeps_work) as staging:
        n_table_bytes = sum(
            table_bytes(item.regions, item.group_set, selection.contrasts) for item in prepared_sets
        )
        check_disk_space(staging, max(item.plan.n_rows for item in prepared_sets), n_table_bytes, output)
        results = [run_set(settings, staging, prepared, selection, rng) for prepared in prepared_sets]
        outputs = [result for result in results if result is not None]
        if not outputs:
            raise InputError(explain_nothing(settings, selection.faults))
        rows = join_missing(missing_rows, list_faults(selection.faults))
        _write_missing(staging, rows)
        sets, contents = [item.group_set for item in outputs], [item.content for item in outputs]
        path = output_path(staging, "group_sets")
        write_group_table(path, "group_sets", join_columns(set_rows(sets)))
        if settings.reports == "full":
            write_page(staging, settings, sets, contents, rows)
        # Another run may have ended meanwhile.
        publish(staging, output, lambda: _refuse_losses(settings, selection, permutation_maps))
    is_packed = _pack_store(settings, store_source)
    _print_missing(output, len({label for item in sets for label in item.participants}), rows)
    is_complete = not any(
        content.design_refusal or (content.design and content.design.untested) for content in contents
    )
    return 0 if is_complete and is_packed and is_compared and not selection.faults else 1


def _describe_store(
    settings: GroupSettings, selection: Selection, prepared_sets: Sequence[PreparedSet]
) -> StoreSource | None:
    """Describe the maps of ``--store``, and refuse them before anything is computed if they do not fit."""
    if settings.store is None:
        return None
    group_set = choose_set(selection.sets, None)
    source = describe_source(
        settings.output_dir,
        group_set,
        prepared_sets[0].table,
        settings.store,
        contrasts=selection.contrasts,
        faults=selection.faults,
    )
    check_source(settings.store, source)
    return source


def _pack_store(settings: GroupSettings, source: StoreSource | None) -> bool:
    """Write the maps to ``--store``; return whether all of them could be used."""
    if settings.store is None or source is None:
        return True
    outcome = pack_source(settings.store, source)
    sys.stdout.write(describe_outcome(outcome, outcome.reasons))
    return outcome.is_successful


def _refuse_losses(settings: GroupSettings, selection: Selection, permutation_maps: set[Path]) -> None:
    """Refuse to replace files of other participants, and to remove tests with permutations."""
    refuse_loss(settings, selection.results)
    refuse_lost_tests(settings, permutation_maps)


def _missing_rows(settings: GroupSettings, selection: Selection) -> list[dict[str, str | None]]:
    """List the selected participants and sessions without maps."""
    return [
        row
        for row in find_missing(settings.output_dir, selection.results, settings.participant_label)
        if str(row["participant_id"]).removeprefix("sub-") not in settings.exclude_participant_label
    ]


def _write_missing(staging: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the list of participants whose maps, or some of them, are not in the averages."""
    columns = {name: [row[name] for row in rows] for name in ("participant_id", "session_id", "reason")}
    write_group_table(output_path(staging, "group_missing"), "group_missing", columns)


def _print_missing(output: Path, n_participants: int, rows: Sequence[dict[str, Any]]) -> None:
    sys.stdout.write(
        f"{quantity(n_participants, 'participant')} averaged in {output / 'group'}; {len(rows)} without "
        "maps, or with maps that cannot be used.\n"
    )
    for row in rows:
        name = " ".join(filter(None, (row["participant_id"], row["session_id"])))
        sys.stdout.write(f"  {name}: {' '.join((row['reason'] or '').split())}\n")
