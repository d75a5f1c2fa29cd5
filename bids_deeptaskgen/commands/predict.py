"""``deeptaskgen predict``: one image without BIDS, by the way that a dataset goes."""

import json
import re
from pathlib import Path

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.input.derivatives import read_description
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.sessions import repetition_time
from bids_deeptaskgen.commands.participant import run_dataset
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.settings.fill import fill
from bids_deeptaskgen.settings.participant import ParticipantSettings
from bids_deeptaskgen.settings.prediction import PredictSettings


def run(settings: PredictSettings) -> int:
    """Predict the maps of one image.

    Parameters
    ----------
    settings : PredictSettings

    Returns
    -------
    int
        Exit code, as at the participant level.

    Raises
    ------
    InputError
        If a file that is named is not there.
    UserError
        If the image has no name from which to make a label.
    """
    for path in (settings.bold, settings.mask, settings.confounds, settings.custom_confounds):
        if path is not None and not path.is_file():
            found = "is a folder; an image or table is wanted" if path.is_dir() else "no such file"
            message = f"{path}: {found}."
            raise InputError(message)
    name = parse_name(settings.bold.name)
    session = SessionInputs(
        subject=settings.label or name.get("sub") or _label_of(settings.bold),
        session=name.get("ses"),
        runs=(_run_inputs(settings),),
        entities=(("task", name.get("task") or "rest"),),
    )
    root = settings.bold.parent
    located = InputDataset("files", root, "input", session=session, description=read_description(root))
    as_dataset = fill(
        ParticipantSettings,
        settings,
        bids_dir=root,
        output_dir=settings.out,
        task_id=session.entities[0][1],
    )
    return run_dataset(as_dataset, located, settings)


def _run_inputs(settings: PredictSettings) -> RunInputs:
    return RunInputs(
        bold=settings.bold,
        mask=settings.mask,
        confounds=settings.confounds,
        t_r=settings.t_r or _repetition_time(settings.bold),
        custom=settings.custom_confounds,
    )


def _label_of(bold: Path) -> str:
    """Make a label of an image's name: ``rfMRI_REST1_LR_hp2000_clean.nii.gz`` is rfMRIREST1LRhp2000clean."""
    label = re.sub(r"[^0-9A-Za-z]", "", bold.name.partition(".nii")[0])
    if not label:
        message = f"{bold}: has no letters and digits to call the person by; name them with --label."
        raise UserError(message)
    return label


def _repetition_time(bold: Path) -> float | None:
    """Read the repetition time in s from the JSON beside an image; None where it does not say."""
    path = bold.with_name(bold.name.partition(".nii")[0] + ".json")
    try:
        return repetition_time(dict(json.loads(path.read_text("utf-8"))), bold)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as reason:
        message = f"{path}: cannot be read as JSON ({reason}).\nMend it, or say --t-r."
        raise InputError(message) from reason
