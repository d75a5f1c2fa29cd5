"""Read all maps of an output dataset, and do nothing else.

python -m benchmarks.group.reading OUTPUT_DIR
"""

import sys
from pathlib import Path

from bids_deeptaskgen.bids.output.results import read_results


def read_all(output: Path) -> int:
    """Read all maps with the reader of the group level, and return their number.

    Parameters
    ----------
    output : Path
        Root of the dataset.

    Returns
    -------
    int
    """
    n_maps = 0
    for result in read_results(output):
        if result.maps.layout == "4d":
            n_maps += len(result.read(output, result.maps.contrasts))
        else:
            n_maps += sum(len(result.read(output, [label])) for label in result.maps.contrasts)
    return n_maps


if __name__ == "__main__":
    print(f"{read_all(Path(sys.argv[1]))} maps")
