"""``deeptaskgen demo``: simulate a dataset, predict maps with the embedded model, and show them."""

import logging
import sys
from pathlib import Path

from bids_deeptaskgen.bids.measured_maps import measured_folder
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.results import result_subjects
from bids_deeptaskgen.commands import participant, simulate
from bids_deeptaskgen.report.map_figures import draw_statmaps
from bids_deeptaskgen.report.pages import list_pages
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import DemoSettings, SimulateSettings

logger = logging.getLogger("bids_deeptaskgen")

# Contrast with a clear pattern that differs between participants.
DEMO_CONTRAST = "wm2bk"
N_DRAWN_PARTICIPANTS = 2


def run(settings: DemoSettings) -> int:
    """Run the whole software on simulated participants.

    Parameters
    ----------
    settings : DemoSettings

    Returns
    -------
    int
        Exit code of the participant level.
    """
    dataset, maps = settings.out / "fmriprep", settings.out / "maps"
    simulate.run(fill(SimulateSettings, settings, out=dataset, n_dummies=2))
    code = participant.run(
        fill(ParticipantSettings, settings, bids_dir=dataset, output_dir=maps, model="embedded")
    )
    if code == 0:
        picture = draw(settings)
        sys.stdout.write(
            f"\nSimulated fMRIPrep derivatives: {dataset}\nPredicted maps: {maps}\nFigure: {picture}\n"
            f"Page of the first participant: {first_page(maps)}\n"
            "The embedded model is for testing the software, not for science.\n"
        )
    return code


def first_page(maps: Path) -> Path:
    """Return the page of the first participant.

    Parameters
    ----------
    maps : Path
        Root of the output dataset.

    Returns
    -------
    Path
    """
    subject = min(result_subjects(maps))
    return list_pages(maps, subject)[0]


def draw(settings: DemoSettings) -> Path:
    """Draw predicted and measured maps of a contrast for the first participants.

    Parameters
    ----------
    settings : DemoSettings
        The dataset and the maps exist in the folder ``settings.out``.

    Returns
    -------
    Path
        The picture, a PNG file.
    """
    dataset, maps = settings.out / "fmriprep", settings.out / "maps"
    rows: list[tuple[str, Path]] = []
    for subject in sorted(folder.name.removeprefix("sub-") for folder in dataset.glob("sub-*"))[
        :N_DRAWN_PARTICIPANTS
    ]:
        predicted = output_path(
            maps, "statmap", subject=subject, entities=[("task", "rest")], contrast=DEMO_CONTRAST
        )
        measured = next(
            measured_folder(dataset).glob(f"sub-{subject}/**/*_contrast-{DEMO_CONTRAST}_*.nii.gz")
        )
        rows += [(f"sub-{subject} predicted from rest", predicted), (f"sub-{subject} measured", measured)]
    picture = settings.out / "picture.png"
    heading = (
        f"{DEMO_CONTRAST}, simulated participants, embedded model (for testing the software, not for science)"
    )
    draw_statmaps(picture, rows, heading=heading)
    return picture
