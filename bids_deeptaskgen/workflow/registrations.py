"""Registrations of batch jobs in the output dataset, noted in the private work folder of their run.

A job that is killed cannot remove its file in the output dataset (`io.active_runs`), and for ten minutes it
would count as running. The run that has ended the job, or the next one, removes the file.
"""

from contextlib import suppress
from pathlib import Path

from bids_deeptaskgen.io.atomic import write_text

_NOTES = "registrations"


def save_registration(folder: Path, path: Path) -> None:
    """Save the path of the file of a job in the output dataset.

    Parameters
    ----------
    folder : Path
        Private work folder of the run.
    path : Path
        File of the job, see `claim.join_claim`.
    """
    # A full disk is reported by the node itself.
    with suppress(OSError):
        write_text(folder / _NOTES / path.name.strip("."), str(path))


def remove_registrations(folder: Path) -> None:
    """Remove the files of all jobs of a run from the output dataset, once these have ended.

    Parameters
    ----------
    folder : Path
        Private work folder of the run; may not exist.
    """
    for note in folder.glob(f"{_NOTES}/*"):
        with suppress(OSError):
            path = Path(note.read_text("utf-8"))
            path.unlink(missing_ok=True)
            # Other runs may have files there.
            path.parent.rmdir()
