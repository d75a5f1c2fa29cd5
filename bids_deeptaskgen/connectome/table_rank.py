"""Upper limit of the number of regressors of a run, from the first lines of its tables."""

from contextlib import suppress
from pathlib import Path

from bids_deeptaskgen.connectome.cleaning import Cleaning
from bids_deeptaskgen.connectome.inputs import RunInputs
from bids_deeptaskgen.nuisance_presets import FMRIPREP_HIGH_PASS_HZ, N_COMPCOR, PRESETS


def limit_rank(run: RunInputs, cleaning: Cleaning, n_volumes: int, t_r: float) -> int:
    """Count the regressors of a run and the intercept, without reading the values of its tables.

    Parameters
    ----------
    run : RunInputs
    cleaning : Cleaning
    n_volumes : int
    t_r : float
        Repetition time in s.

    Returns
    -------
    int
        At most `n_volumes`. Constant or dependent columns and absent aCompCor components make the rank
        smaller.
    """
    preset = PRESETS[cleaning.nuisance_regressors]
    names = _column_names(run.confounds)
    count = len(preset.columns) + (2 * N_COMPCOR if preset.compcor else 0)
    if preset.aroma:
        count += sum(name.startswith("aroma_") for name in {*names, *_column_names(run.aroma)})
    count += len(_column_names(run.custom))
    if cleaning.high_pass is not None:
        count += int(2 * n_volumes * cleaning.high_pass * t_r)
    elif preset.needs_table:
        n_cosines = sum(name.lower().startswith("cosine") for name in names)
        count += n_cosines or int(2 * n_volumes * FMRIPREP_HIGH_PASS_HZ * t_r)
    return min(count + 1, n_volumes)


def _column_names(path: Path | None) -> list[str]:
    """Return the first line of a table; none if it cannot be read, which the step itself reports."""
    if path is not None:
        with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8-sig") as file:
            return file.readline().split("\t")
    return []
