"""Maps of a set as rows of a cohort store."""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.output_mask import read_output_mask
from bids_deeptaskgen.bids.output.results import Result, ResultFault
from bids_deeptaskgen.bids.output.roi_connectome import read_roi_matrix
from bids_deeptaskgen.bids.output.usable_maps import read_session_maps
from bids_deeptaskgen.cohort_store.store.create import refuse_other_content
from bids_deeptaskgen.cohort_store.store.description import (
    StoreDescription,
    is_store,
    read_description,
    refuse_difference,
)
from bids_deeptaskgen.cohort_store.store.layout import ROI_CONNECTOMES
from bids_deeptaskgen.cohort_store.store.pack import RowContent
from bids_deeptaskgen.cohort_store.store.row_tables import (
    DATA_HASH,
    LABELS,
    RowTables,
    changed_rows,
    read_rows,
    row_labels,
)
from bids_deeptaskgen.cohort_store.store.shard_files import check_disk_space
from bids_deeptaskgen.cohort_store.store.shards import RowRecord, read_states
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group.group_set import GroupSet

logger = logging.getLogger("bids_deeptaskgen")

# Columns of the joined table that the labels replace, or that depend on the other participants.
_OMITTED = ("run", "dir", "cohort_typicality")
_HASH_DIGITS = 16
# Number of ROI connectomes whose size is compared, so that a damaged one does not count.
_N_ROI_SAMPLES = 5


@dataclass(frozen=True)
class StoreSource:
    """Maps to pack.

    Attributes
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
        Sessions and runs of one set.
    rows : sequence of dict
        Row of each of `results`.
    description : StoreDescription
    faults : sequence of ResultFault
        Maps that are known to be unusable.
    """

    output: Path
    results: Sequence[Result]
    rows: Sequence[Mapping[str, Any]]
    description: StoreDescription
    faults: Sequence[ResultFault] = ()

    @property
    def name(self) -> str:
        """Return the folder of the dataset, for messages and the tables of the store."""
        return str(self.output.resolve())

    @cached_property
    def _known_reasons(self) -> dict[tuple[str, str | None], dict[str, str]]:
        reasons: dict[tuple[str, str | None], dict[str, str]] = {}
        for fault in self.faults:
            labels = fault.contrasts or self.description.labels
            reasons.setdefault((fault.subject, fault.session), {}).update(dict.fromkeys(labels, fault.reason))
        return reasons

    def by_row(self, tables: RowTables) -> dict[int, Result]:
        """Return the sessions and runs by the numbers of their rows.

        Parameters
        ----------
        tables : RowTables
            Rows of the store.

        Returns
        -------
        dict of int to Result
        """
        numbers = tables.numbers()
        pairs = [
            (numbers.get(row_labels(row)), result)
            for row, result in zip(self.rows, self.results, strict=True)
        ]
        return {number: result for number, result in pairs if number is not None}

    def source_hash(self, result: Result) -> str | None:
        """Hash the completion record of a session, which lists its maps, settings and input.

        Parameters
        ----------
        result : Result

        Returns
        -------
        str or None
            None without a record: the participant is being run again.
        """
        content = _read_record(self.output, result)
        return None if content is None else _hash(content)

    def is_packed(self, result: Result, row: RowRecord) -> bool:
        """Return whether a row of a store has the maps of a session or run.

        Parameters
        ----------
        result : Result
        row : RowRecord

        Returns
        -------
        bool
        """
        return row.is_packed and row.source == self.source_hash(result)

    def read(self, result: Result | None) -> RowContent | None:
        """Read the maps and the ROI connectome of a session or run.

        Parameters
        ----------
        result : Result or None
            None for a row of other maps than those to pack.

        Returns
        -------
        RowContent or None
            None if they are not available, since the participant is being run again.
        """
        record = None if result is None else _read_record(self.output, result)
        if result is None or record is None:
            return None
        content = self._read_content(result, record)
        return content if self.source_hash(result) == content.source else None

    def _read_content(self, result: Result, record: bytes) -> RowContent:
        labels, faults = self.description.labels, list[ResultFault]()
        maps = read_session_maps(self.output, result, labels, self.description.mask, faults)
        reasons = {label: fault.reason for fault in faults for label in fault.contrasts}
        absent_labels = [label for label in labels if label not in result.maps.contrasts]
        known_reasons = self._known_reasons.get((result.subject, result.session), {})
        reasons |= {label: known_reasons[label] for label in absent_labels if label in known_reasons}
        connectome = None
        path = result.path(self.output, "roi_connectome")
        # The record lists the table if there should be one.
        if self.description.n_rois and (path.name.encode() in record or path.is_file()):
            try:
                connectome = read_roi_matrix(path)
                self._check_rois(path, len(connectome))
            except InputError as error:
                logger.error("%s", error)
                connectome = None
                reasons[ROI_CONNECTOMES] = str(error)
        absent_labels = [label for label in absent_labels if label not in reasons]
        return RowContent(maps, connectome, _hash(record), reasons, tuple(absent_labels))

    def _check_rois(self, path: Path, n_rois: int) -> None:
        if n_rois != self.description.n_rois:
            message = (
                f"{path}: has {n_rois} ROIs; the store has {self.description.n_rois}. Delete the table and "
                "re-run this participant."
            )
            raise InputError(message)


def describe_source(
    output: Path,
    group_set: GroupSet,
    table: Sequence[Mapping[str, Any]],
    store: Path,
    *,
    contrasts: Sequence[str] = (),
    precision: str | None = None,
    faults: Sequence[ResultFault] = (),
) -> StoreSource:
    """Describe the maps of a set for a store, without reading them.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    group_set : GroupSet
    table : sequence of dict
        Joined table of its sessions, see `participant_table.join_session_rows`.
    store : Path
        Folder of the store; may not exist.
    contrasts : sequence of str
        Labels of the requested contrasts; empty for those of the store, or of all maps of a new store.
    precision : str or None
        None for that of the store, or float32.
    faults : sequence of ResultFault
        Maps that are known to be unusable.

    Returns
    -------
    StoreSource

    Raises
    ------
    UserError
        If the folder is something else, or its maps differ in model, mask, settings, contrasts or task.
    InputError
        If the mask of the maps cannot be read.
    """
    refuse_other_content(store)
    existing = read_description(store) if is_store(store) else None
    available = [label for label in group_set.contrasts if not contrasts or label in contrasts]
    if existing is not None and (not contrasts or set(contrasts) == set(existing.labels)):
        # The order of the store; contrasts that no map has are refused.
        available = [label for label in existing.labels if label in available]
    description = StoreDescription(
        contrasts=tuple(_contrast_row(output, group_set.results, label) for label in available),
        mask=read_output_mask(output, group_set.provenance),
        model=group_set.provenance.get("Model", {}),
        settings=group_set.provenance.get("Settings", {}),
        settings_hash=group_set.settings_hash,
        entities=tuple(group_set.series),
        precision=precision or (existing.precision if existing else "float32"),
        n_rois=_count_rois(output, group_set.results),
        rows_per_shard=existing.rows_per_shard if existing else 0,
    )
    if existing is not None:
        refuse_difference(store, existing, description)
    rows = [
        result.row_labels
        | {DATA_HASH: _data_hash(output, result)}
        | {key: value for key, value in row.items() if key not in (*LABELS, DATA_HASH, *_OMITTED)}
        for result, row in zip(group_set.results, table, strict=True)
    ]
    return StoreSource(output, group_set.results, rows, description, faults)


def _contrast_row(output: Path, results: Sequence[Result], label: str) -> dict[str, Any]:
    contrast, units = contrast_of(output, results, label)
    return {
        "label": label,
        "source_name": contrast.source_name,
        "task": contrast.task,
        "units": units,
        "typical_retest_correlation": contrast.retest_r,
    }


def _count_rois(output: Path, results: Sequence[Result]) -> int:
    """Return the number of ROIs that most of the first ROI connectomes have; 0 without any."""
    counts: Counter[int] = Counter()
    for result in results:
        path = result.path(output, "roi_connectome")
        if path.is_file():
            with suppress(InputError):
                counts[len(read_roi_matrix(path))] += 1
        if counts.total() == _N_ROI_SAMPLES:
            break
    return counts.most_common(1)[0][0] if counts else 0


def _data_hash(output: Path, result: Result) -> str | None:
    """Hash the hashes of the BOLD series, or the completion record of maps of earlier versions."""
    if result.series_hashes:
        return _hash("\n".join(sorted(result.series_hashes)).encode())
    record = _read_record(output, result)
    return None if record is None else f"record-{_hash(record)}"


def _read_record(output: Path, result: Result) -> bytes | None:
    """Read the completion record; None without, since the participant is being run again."""
    try:
        return result.path(output, "qc_metrics").read_bytes()
    except FileNotFoundError:
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]


def check_source(store: Path, source: StoreSource) -> None:
    """Check that maps can be packed, before anything is computed or written.

    Parameters
    ----------
    store : Path
        Folder of the store; may not exist.
    source : StoreSource

    Raises
    ------
    UserError
        If the store has other data under the labels of a row, or the disk has too little space.
    """
    tables = read_rows(store) if is_store(store) else RowTables((), ())
    tables = tables.extend(changed_rows(store, tables, source.rows, source.name), source.name)
    states = read_states(store, source.description, tables)
    shard_bytes = [
        len(source.description.shard_rows(shard, len(tables))) * source.description.row_bytes
        for shard in range(len(states.shards))
    ]
    # A shard that is written again needs its space twice.
    n_bytes = sum(shard_bytes[shard] for shard in states.incomplete) + max(shard_bytes, default=0)
    check_disk_space(store, n_bytes)


def choose_set(sets: Sequence[GroupSet], name: str | None) -> GroupSet:
    """Choose the set of maps for a store.

    Parameters
    ----------
    sets : sequence of GroupSet
    name : str or None
        Name of the set; not needed if there is only one.

    Returns
    -------
    GroupSet

    Raises
    ------
    UserError
        If there are several sets and no name, or no set of this name.
    """
    names = [group_set.name for group_set in sets]
    if name is None and len(sets) == 1:
        return sets[0]
    if name in names:
        return sets[names.index(name)]
    problem = "has several sets of maps" if name is None else f"has no set {name}"
    message = (
        f"OUTPUT_DIR {problem}; a store holds one: {'; '.join(names)}.\nChoose it by name with `deeptaskgen "
        "store pack --set`."
    )
    raise UserError(message)
