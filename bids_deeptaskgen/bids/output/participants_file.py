"""The table of participants of an output dataset, merged from the input and what users added."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.table_merge import Merge, Table, merge_tables, read_table, write_table
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.lock import file_lock

logger = logging.getLogger("bids_deeptaskgen")

TABLE = "participants.tsv"
_KEY = "participant_id"


def update_participants(
    output_dir: Path,
    derivatives: Path,
    bids_dir: Path | None = None,
    table: Path | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Add the participants of the input to ``participants.tsv`` of an output dataset.

    Rows, columns and values that are already in the output dataset are kept, so that several runs, also at
    the same time, and users may add to the table. A value that differs from that of the input is reported. It
    does not stop the run, because the table has no effect on the maps.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    derivatives : Path
        Root of the input; its table is used, else that of the raw dataset around it.
    bids_dir : Path, optional
        Folder that may have the table if the derivatives have none.
    table : Path, optional
        Table to use instead.
    overwrite : bool
        Whether values of the input replace different values of the output dataset.

    Raises
    ------
    UserError
        If `table` cannot be read or has no column ``participant_id``, or a file of the output stays locked.
    """
    source = table or _find_table(derivatives, bids_dir)
    if source is None:
        return
    try:
        # Two folders, also of two inputs, are two participants.
        folders = _folder_labels(derivatives) | _folder_labels(output_dir)
        _merge_table(source, output_dir / TABLE, folders, overwrite=overwrite)
    except InputError as error:
        if table:
            message = f"`participants_tsv` {error}"
            raise UserError(message) from error
        logger.warning("%s\nThe table is not added to %s.", error, output_dir)
        return
    _merge_sidecar(
        source.with_suffix(".json"), (output_dir / TABLE).with_suffix(".json"), overwrite=overwrite
    )


def _find_table(derivatives: Path, bids_dir: Path | None) -> Path | None:
    roots = [derivatives, *([bids_dir] if bids_dir else [])]
    if derivatives.parent.name == "derivatives":
        roots.append(derivatives.parent.parent)
    tables = (root / TABLE for root in roots)
    # A link without content is reported when it is read.
    return next((path for path in tables if path.is_file() or path.is_symlink()), None)


def _merge_table(source: Path, target: Path, folders: set[str], *, overwrite: bool) -> None:
    """Merge a table into that of the output dataset, which is kept if it cannot be read.

    Raises
    ------
    InputError
        If the source cannot be read.
    """
    addition = read_table(source)
    # Most runs of an array change nothing, and then do not wait for each other.
    if not _merge_rows(source, target, addition, folders, overwrite=overwrite, may_write=False):
        with file_lock(target):
            _merge_rows(source, target, addition, folders, overwrite=overwrite, may_write=True)


def _merge_rows(
    source: Path, target: Path, addition: Table, folders: set[str], *, overwrite: bool, may_write: bool
) -> bool:
    """Merge a table into a file; return False if that requires writing and `may_write` is false."""
    if not os.path.lexists(target):
        if may_write:
            write_table(target, merge_tables(Table(addition.columns, ()), addition, _KEY).table)
            logger.info("%s is copied from %s.", TABLE, source.parent)
        return may_write
    try:
        existing = read_table(target)
    except InputError as error:
        logger.warning("%s\nThe file is kept, and the participants of %s are not added.", error, source)
        return True
    try:
        merge = merge_tables(existing, addition, _KEY, overwrite=overwrite, folders=folders)
    except InputError as error:
        logger.warning("%s and %s: %s\nThe participants are not added.", target, source, error)
        return True
    if merge.table != existing:
        if not may_write:
            return False
        write_table(target, merge.table)
        logger.info("%s: participants or columns of %s are added.", target, source)
    _report_matches(target, source, merge)
    _report_conflicts(target, source, merge.conflicts, overwrite=overwrite)
    return True


def _folder_labels(root: Path) -> set[str]:
    """Return the labels of the folders of participants; none if there is no such dataset."""
    return {path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir()}


def _report_matches(target: Path, source: Path, merge: Merge) -> None:
    if merge.number_matches:
        logger.info(
            "%s: %d participants of %s are matched as equal numbers: %s.",
            target, len(merge.number_matches), source, abbreviate(merge.number_matches),
        )  # fmt: skip
    if merge.unmatched:
        logger.warning(
            "%s: several rows of one participant cannot be told apart, or differ from those in %s; these "
            "rows are left as they are: %s. Add a column session_id with the session to both tables.",
            target, source, abbreviate(merge.unmatched),
        )  # fmt: skip


def _merge_sidecar(source: Path, target: Path, *, overwrite: bool) -> None:
    """Add the columns that the sidecar of the table describes; keep other descriptions of the target."""
    if not source.is_file():
        return
    try:
        addition = read_json(source)
        existing = _read_sidecar(target)
        if _merge_descriptions(existing, addition, overwrite=overwrite) != existing:
            with file_lock(target):
                existing = _read_sidecar(target)
                merged = _merge_descriptions(existing, addition, overwrite=overwrite)
                if merged != existing:
                    write_json(target, merged)
    except InputError as error:
        logger.warning("%s\n%s is left as it is.", error, target)
        return
    conflicts = tuple(name for name in addition if name in existing and existing[name] != addition[name])
    _report_conflicts(target, source, conflicts, overwrite=overwrite)


def _read_sidecar(path: Path) -> dict[str, Any]:
    return read_json(path) if os.path.lexists(path) else {}


def _merge_descriptions(
    existing: Mapping[str, Any], addition: Mapping[str, Any], *, overwrite: bool
) -> dict[str, Any]:
    """Add the descriptions of columns; the order of the existing columns is kept."""
    return {
        name: addition[name] if name not in existing or (overwrite and name in addition) else existing[name]
        for name in dict.fromkeys([*existing, *addition])
    }


def _report_conflicts(target: Path, source: Path, conflicts: tuple[str, ...], *, overwrite: bool) -> None:
    if not conflicts:
        return
    outcome = (
        f"They are replaced by those of {source.name} (`overwrite`)."
        if overwrite
        else "They are kept. To replace them, correct that file, or add `overwrite`."
    )
    logger.warning(
        "%s: %d values differ from those in %s (here, there): %s. %s",
        target, len(conflicts), source, abbreviate(conflicts), outcome,
    )  # fmt: skip
