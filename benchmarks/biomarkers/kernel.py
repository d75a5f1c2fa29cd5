"""Time and memory of the linear kernel of the maps of a cohort store.

    python -m benchmarks.biomarkers.kernel STORE [--contrasts 1] [--participants 1000] [--memory-gb 2]

Prints JSON: wall and processor seconds, seconds within reads, maps read, and peak resident memory.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.store_maps import StoreMaps, open_store_maps
from bids_deeptaskgen.cohort_store.store.reader import CohortStore
from bids_deeptaskgen.settings.biomarkers import FeatureSource


class CountingStore:
    """Cohort store that counts its reads.

    Parameters
    ----------
    store : CohortStore

    Attributes
    ----------
    n_maps : int
        Maps that were read.
    seconds : float
        Time of the reads, which other work may share.
    """

    def __init__(self, store: CohortStore) -> None:
        self.description = store.description
        self._read: Callable[..., Any] = store.maps
        self.n_maps = 0
        self.seconds = 0.0

    def maps(self, contrast: str, rows: list[int]) -> Any:
        """Read maps; see `CohortStore.maps`."""
        start = time.perf_counter()
        values = self._read(contrast, rows)
        self.seconds += time.perf_counter() - start
        self.n_maps += len(values)
        return values


def measure(reader: StoreMaps, n_participants: int) -> dict[str, Any]:
    """Compute the kernel of the first participants of a store.

    Parameters
    ----------
    reader : StoreMaps
    n_participants : int

    Returns
    -------
    dict
        JSON values.
    """
    counter: Any = CountingStore(reader.store)
    start, processor_start = time.perf_counter(), time.process_time()
    features = replace(reader, store=counter).read(reader.participants[:n_participants])
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
    return {
        "participants": len(features.participants),
        "contrasts": len(reader.sessions),
        "voxels": features.n_features,
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor_seconds, 1),
        "read_seconds": round(counter.seconds, 1),
        "maps_read": counter.n_maps,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "kernel_gb": round(features.kernel.nbytes / 1e9, 2),
        "mean_diagonal": round(float(np.trace(features.kernel, dtype=float)) / len(features.participants), 6),
    }


def main() -> None:
    """Measure, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--participants", type=int, default=1_000_000)
    parser.add_argument("--contrasts", type=int, default=1)
    parser.add_argument("--memory-gb", type=float, default=2.0)
    options = parser.parse_args()
    source = FeatureSource("maps", options.store)
    reader = open_store_maps(source, Selection(), max_bytes=int(options.memory_gb * 1e9))
    contrasts = list(reader.sessions)[: options.contrasts]
    reader = replace(reader, sessions={label: reader.sessions[label] for label in contrasts})
    print(json.dumps(measure(reader, options.participants), indent=2))


if __name__ == "__main__":
    main()
