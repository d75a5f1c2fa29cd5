"""What the user decides of a connectome: the cleaning of a series, and the least amount of data.

Apart from the code that applies them, so that a run can be planned without the libraries that compute.
"""

from dataclasses import dataclass
from functools import partial

from bids_deeptaskgen.nuisance_presets import FMRIPREP_PRESET
from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.prediction import PredictionSettings

_default = partial(default_of, PredictionSettings)


@dataclass(frozen=True)
class Cleaning:
    """How a run is cleaned; the defaults are those of the options with these names.

    Attributes
    ----------
    nuisance_regressors : str
        A key of ``nuisance_presets.PRESETS``.
    high_pass : float or None
        Cut-off in Hz of a cosine basis made here, 0 for none; None lets the preset decide.
    fd_threshold : float
        Volumes that moved more than this (mm) are left out; 0 keeps them.
    dummy_scans : int or None
        Leading volumes to leave out; None takes those that fMRIPrep marked as not in steady state.
    smoothing : float
        Full width at half maximum (mm) of the kernel that volumes are smoothed with; 0 leaves them.
    """

    nuisance_regressors: str = FMRIPREP_PRESET
    high_pass: float | None = _default("high_pass")
    fd_threshold: float = _default("fd_threshold")
    dummy_scans: int | None = _default("dummy_scans")
    smoothing: float = _default("smoothing")


@dataclass(frozen=True)
class DataRequirements:
    """What a session must offer to be used; the defaults are those of the options with these names.

    Attributes
    ----------
    min_minutes : float
        Kept minutes, over all runs.
    min_dof : int
        Residual degrees of freedom, over all runs.
    n_windows : int or None
        Windows of each run; None takes the number that comes nearest to ``window_minutes``.
    window_minutes : float or None
        Length on which the model was trained.
    """

    min_minutes: float = _default("min_minutes")
    min_dof: int = _default("min_dof")
    n_windows: int | None = _default("n_windows")
    window_minutes: float | None = None
