"""What is known of a person's resting-state runs before they are read."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunInputs:
    """The files of one resting-state run.

    Attributes
    ----------
    bold : Path
        4-D NIfTI image.
    mask : Path
        Brain mask on the BOLD's grid.
    confounds : Path or None
        fMRIPrep's table of confounds; None where there is none.
    t_r : float or None
        Repetition time in s from the JSON; None where the JSON does not say.
    entities : tuple of (str, str)
        Entities that tell this run from the others, e.g. ``(("run", "1"),)``.
    space : str
        Name of the standard space.
    """

    bold: Path
    mask: Path
    confounds: Path | None
    t_r: float | None
    entities: tuple[tuple[str, str], ...] = ()
    space: str = "MNI152NLin6Asym"

    @property
    def name(self) -> str:
        """Short name for messages, e.g. ``run-1`` or the file's name."""
        return "_".join(f"{key}-{value}" for key, value in self.entities) or self.bold.name


@dataclass(frozen=True)
class SessionInputs:
    """The runs of one person and session that are pooled into one set of maps.

    Attributes
    ----------
    subject : str
        Label without ``sub-``.
    session : str or None
        Label without ``ses-``; None in a dataset without sessions.
    runs : tuple of RunInputs
    entities : tuple of (str, str)
        Entities that all runs share and that output names carry, e.g. ``(("task", "rest"),)``.
    """

    subject: str
    session: str | None
    runs: tuple[RunInputs, ...]
    entities: tuple[tuple[str, str], ...] = (("task", "rest"),)

    @property
    def name(self) -> str:
        """Short name for messages, e.g. ``sub-01 ses-1``."""
        return f"sub-{self.subject}" + (f" ses-{self.session}" if self.session else "")
