"""User settings for connectomes: cleaning of a series, and minimum amount of data.

Separate from the code that applies them, so that a run is planned without importing numerical libraries.
"""

from dataclasses import dataclass
from functools import partial

from bids_deeptaskgen.nuisance_presets import FMRIPREP_PRESET
from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.prediction import PredictionSettings

_default = partial(default_of, PredictionSettings)


@dataclass(frozen=True)
class Cleaning:
    """Cleaning of a run; defaults are those of the options with these names.

    Attributes
    ----------
    nuisance_regressors : str
        A key of ``nuisance_presets.PRESETS``.
    high_pass : float or None
        Cut-off in Hz of an additional cosine basis, 0 for none; None leaves the choice to the preset.
    fd_threshold : float
        Volumes with a larger framewise displacement (mm) are censored; 0 keeps all volumes.
    dummy_scans : int or None
        Leading volumes to remove; None removes those that fMRIPrep marked as not in steady state.
    smoothing : float
        Full width at half maximum (mm) of the smoothing kernel; 0 for no smoothing.

    Examples
    --------
    >>> cleaning = Cleaning(high_pass=0.01, fd_threshold=0.5)
    >>> cleaning.high_pass, cleaning.fd_threshold
    (0.01, 0.5)
    """

    nuisance_regressors: str = FMRIPREP_PRESET
    high_pass: float | None = _default("high_pass")
    fd_threshold: float = _default("fd_threshold")
    dummy_scans: int | None = _default("dummy_scans")
    smoothing: float = _default("smoothing")


@dataclass(frozen=True)
class DataRequirements:
    """Minimum data of a session; defaults are those of the options with these names.

    Attributes
    ----------
    min_minutes : float
        Kept minutes, over all runs.
    min_dof : int
        Residual degrees of freedom, over all runs.
    n_windows : int or None
        Windows of each run; None selects the number that comes nearest to ``window_minutes``.
    window_minutes : float or None
        Window length in minutes that the model was trained on.
    min_coverage : float
        Share of the brain voxels in the mask that have a signal.
    max_mask_offset : float
        Displacement (mm) of the brain mask from the mean image; 0 for no limit.

    Examples
    --------
    >>> requirements = DataRequirements(min_minutes=5, n_windows=2)
    >>> requirements.min_minutes, requirements.n_windows
    (5, 2)
    """

    min_minutes: float = _default("min_minutes")
    min_dof: int = _default("min_dof")
    n_windows: int | None = _default("n_windows")
    window_minutes: float | None = None
    min_coverage: float = _default("min_coverage")
    max_mask_offset: float = _default("max_mask_offset")
