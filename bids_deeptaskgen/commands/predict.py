"""``deeptaskgen predict``: predict the maps of one image outside a BIDS dataset."""

import re
from pathlib import Path

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.bids.input.derivatives import read_description
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.layout import require_target
from bids_deeptaskgen.bids.input.sidecars import read_repetition_time
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
        If an input file does not exist or its sidecar cannot be read.
    UserError
        If the name of the image contains no participant label.
    """
    for path in (settings.bold, settings.mask, settings.confounds, settings.custom_confounds):
        if path is not None and not path.is_file():
            require_target(path)
            message = f"{path}: is neither a file nor a folder; it must be an image or a table."
            raise InputError(message)
    name = parse_name(settings.bold.name)
    session = SessionInputs(
        subject=settings.label or name.get("sub") or _label_of(settings.bold),
        session=name.get("ses"),
        runs=(_run_inputs(settings),),
        entities=(("task", name.get("task") or "rest"),),
    )
    root = settings.bold.parent
    dataset = InputDataset("files", root, "input", session=session, description=read_description(root))
    participant_settings = fill(
        ParticipantSettings,
        settings,
        bids_dir=root,
        output_dir=settings.out,
        task_id=(session.entities[0][1],),
    )
    return run_dataset(participant_settings, dataset, settings)


def _run_inputs(settings: PredictSettings) -> RunInputs:
    return RunInputs(
        bold=settings.bold,
        mask=settings.mask,
        confounds=settings.confounds,
        t_r=settings.t_r or read_repetition_time(settings.bold),
        custom=settings.custom_confounds,
    )


def _label_of(bold: Path) -> str:
    """Derive a label from an image's name: ``rfMRI_REST1_LR_clean.nii.gz`` gives rfMRIREST1LRclean."""
    label = re.sub(r"[^0-9A-Za-z]", "", bold.name.partition(".nii")[0])
    if not label:
        message = f"{bold}: has no letters or digits for a participant label. Use --label."
        raise UserError(message)
    return label
