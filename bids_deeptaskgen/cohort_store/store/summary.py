"""Description of a cohort store in text."""

import os
from contextlib import suppress
from pathlib import Path

from bids_deeptaskgen.cohort_store.store.description import read_description
from bids_deeptaskgen.cohort_store.store.row_tables import row_labels
from bids_deeptaskgen.cohort_store.store.shard_facts import read_rows_and_states
from bids_deeptaskgen.errors import abbreviate, quantity


def summarise(store: Path) -> str:
    """Describe a store.

    Parameters
    ----------
    store : Path
        Folder of the store.

    Returns
    -------
    str
        Some lines.

    Raises
    ------
    UserError
        If the folder is not a cohort store.
    InputError
        If the description or the tables are damaged.
    """
    description = read_description(store)
    tables, states = read_rows_and_states(store, description)
    n_complete = len(states.problems) - len(states.incomplete)
    records = [row for row in states.rows if row.is_packed]
    n_missing = sum(len(row.missing_labels.intersection(description.labels)) for row in records)
    n_bytes = _count_bytes(store)
    participants = {row_labels(row)[0] for row in tables.rows}
    model = description.model
    shape = " x ".join(map(str, description.mask.shape))
    name, weights = model.get("Name", "unknown"), str(model.get("WeightsSha256", "unknown"))
    rows_per_shard = quantity(description.rows_per_shard, "row")
    facts = {
        "store": str(store),
        "model": f"{name} (weights {weights[:12]})",
        "settings": description.settings_hash[:12] or "unknown",
        "maps of": " ".join(map("-".join, description.entities)) or "unknown",
        "participants": f"{len(participants):,}, with {quantity(len(tables), 'row')} (sessions or runs)",
        "contrasts": f"{len(description.labels)}: {abbreviate(description.labels)}",
        "voxels": f"{description.n_voxels:,} of {shape} in MNI152NLin6Asym",
        "values": description.precision,
        "ROI connectomes": _describe_connectomes(
            description.n_rois, sum(row.has_roi_connectome for row in records)
        ),
        "size": f"{n_bytes / 1e9:.3g} GB",
        "complete shards": f"{n_complete} of {len(states.problems)}, {rows_per_shard} each",
        "missing maps": f"{n_missing:,} of {len(records) * len(description.labels):,} in packed rows",
    }
    width = max(map(len, facts)) + 2
    return "".join(f"{name + ':':{width}}{value}\n" for name, value in facts.items())


def _count_bytes(store: Path) -> int:
    n_bytes = 0
    for folder, _, names in os.walk(store):
        for name in names:
            # A process that packs removes its temporary files at the same time.
            with suppress(FileNotFoundError):
                n_bytes += Path(folder, name).stat().st_size
    return n_bytes


def _describe_connectomes(n_rois: int, n_rows: int) -> str:
    return f"{n_rois} ROIs, of {quantity(n_rows, 'row')}" if n_rois else "none"
