"""``deeptaskgen demo``: simulate a few people, predict their maps with the embedded model, draw one."""

import logging
import sys
from pathlib import Path

from bids_deeptaskgen.bids.measured_maps import measured_folder
from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.commands import participant, simulate
from bids_deeptaskgen.report.map_figures import draw_statmaps
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.simulation import DemoSettings, SimulateSettings

logger = logging.getLogger("bids_deeptaskgen")

# A contrast with a clear pattern that differs from person to person.
SHOWN = "wm2bk"
N_SHOWN = 2


def run(settings: DemoSettings) -> int:
    """Show on simulated people what the software does from beginning to end.

    Parameters
    ----------
    settings : DemoSettings

    Returns
    -------
    int
        Exit code of the participant level.
    """
    simulated, maps = settings.out / "fmriprep", settings.out / "maps"
    simulate.run(fill(SimulateSettings, settings, out=simulated, n_dummies=2))
    code = participant.run(
        fill(ParticipantSettings, settings, bids_dir=simulated, output_dir=maps, model="embedded")
    )
    if code == 0:
        picture = draw(settings)
        sys.stdout.write(
            f"\nSimulated fMRIPrep derivatives: {simulated}\nPredicted maps: {maps}\nPicture: {picture}\n"
            "The embedded model is for trying the software and not for science.\n"
        )
    return code


def draw(settings: DemoSettings) -> Path:
    """Draw a contrast of the first people, predicted from rest and as the simulated task measured it."""
    simulated, maps = settings.out / "fmriprep", settings.out / "maps"
    rows: list[tuple[str, Path]] = []
    for subject in sorted(folder.name.removeprefix("sub-") for folder in simulated.glob("sub-*"))[:N_SHOWN]:
        predicted = output_path(maps, "statmap", subject=subject, entities=[("task", "rest")], contrast=SHOWN)
        measured = next(measured_folder(simulated).glob(f"sub-{subject}/**/*_contrast-{SHOWN}_*.nii.gz"))
        rows += [(f"sub-{subject} predicted from rest", predicted), (f"sub-{subject} measured", measured)]
    picture = settings.out / "picture.png"
    heading = f"{SHOWN}, simulated people, embedded model (for trying the software, not for science)"
    draw_statmaps(picture, rows, heading=heading)
    return picture
