"""Input files of resting-state runs and sessions."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bids_deeptaskgen.connectome.findings import Finding


@dataclass(frozen=True)
class RunInputs:
    """The files of one resting-state run.

    Attributes
    ----------
    bold : Path
        4-D NIfTI image.
    mask : Path or None
        Brain mask on the BOLD's grid; None if the series is 0 outside the brain.
    confounds : Path or None
        fMRIPrep's confounds table or a file of motion parameters; None without one.
    t_r : float or None
        Repetition time in s from the sidecar; None if the sidecar has none.
    entities : tuple of (str, str)
        Entities that distinguish this run, e.g. ``(("run", "1"),)``.
    space : str
        Name of the standard space.
    aroma : Path or None
        fMRIPost-AROMA's table of noise components.
    outliers : Path or None
        XCP-D's table of the volumes that it interpolated or removed.
    custom : Path or None
        The user's own regressors.
    fsl_warp : Path or None
        FSL's warp field to standard space, for a series in native space.
    findings : tuple of Finding
        What the search of the files found to be suspicious.
    denoised_by : str
        Steps with which an archive cleaned the series; empty if unknown.
    """

    bold: Path
    mask: Path | None
    confounds: Path | None
    t_r: float | None
    entities: tuple[tuple[str, str], ...] = ()
    space: str = "MNI152NLin6Asym"
    aroma: Path | None = None
    outliers: Path | None = None
    custom: Path | None = None
    fsl_warp: Path | None = None
    findings: tuple[Finding, ...] = ()
    denoised_by: str = ""

    def with_fields(self, **changes: Any) -> "RunInputs":
        """Return a copy with some fields changed.

        Parameters
        ----------
        **changes
            New values by name of the field.

        Returns
        -------
        RunInputs
        """
        return replace(self, **changes)

    @property
    def files(self) -> tuple[Path, ...]:
        """Return all files that are read."""
        paths = (
            self.bold,
            self.mask,
            self.confounds,
            self.aroma,
            self.outliers,
            self.custom,
            self.fsl_warp,
        )
        return tuple(path for path in paths if path is not None)

    @property
    def name(self) -> str:
        """Return a short name for messages, e.g. ``run-1`` or the file name."""
        return "_".join(f"{key}-{value}" for key, value in self.entities) or self.bold.name


@dataclass(frozen=True)
class SessionInputs:
    """Runs of one participant and session that are pooled into one set of maps.

    Attributes
    ----------
    subject : str
        Label without ``sub-``.
    session : str or None
        Label without ``ses-``; None in a dataset without sessions.
    runs : tuple of RunInputs
    entities : tuple of (str, str)
        Entities that all runs share and that output names contain, e.g. ``(("task", "rest"),)``.
    """

    subject: str
    session: str | None
    runs: tuple[RunInputs, ...]
    entities: tuple[tuple[str, str], ...] = (("task", "rest"),)

    @property
    def name(self) -> str:
        """Return a short name for messages, e.g. ``sub-01 ses-1``."""
        return f"sub-{self.subject}" + (f" ses-{self.session}" if self.session else "")
