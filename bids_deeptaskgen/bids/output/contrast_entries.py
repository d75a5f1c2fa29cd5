"""Description of a contrast, read from the sidecars of its maps."""

from collections.abc import Sequence
from pathlib import Path

from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.models.contrasts import Contrast


def contrast_of(output: Path, results: Sequence[Result], label: str) -> tuple[Contrast, str]:
    """Read the contrast and the units of a map from the first sidecar that can be read.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result
    label : str
        Label of the contrast.

    Returns
    -------
    Contrast
    str
        Units of the map.

    Raises
    ------
    InputError
        If no sidecar describes the contrast.
    """
    problem: Exception | None = None
    for result in results:
        if label not in result.maps.contrasts:
            continue
        try:
            fields = read_json(sidecar_path(result.statmap(output, label)))["DeepTaskGen"]
            entries = [fields["Contrast"]] if "Contrast" in fields else fields["Contrasts"]
            entry = next(entry for entry in entries if entry["Label"] == label)
            values = (entry["SourceName"], entry["Task"], entry["TypicalRetestCorrelation"])
            return Contrast(label, *values), entry["Units"]
        except (InputError, KeyError, TypeError, StopIteration) as error:
            problem = problem or error
    message = f"{label}: no sidecar describes this contrast ({problem}). Re-run the participants."
    raise InputError(message)
