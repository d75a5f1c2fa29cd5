"""The public interface for notebooks and scripts; import these names from `bids_deeptaskgen`."""

import logging
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_deeptaskgen.bids.input.layout import require_target
from bids_deeptaskgen.bids.input.sidecars import read_repetition_time
from bids_deeptaskgen.connectome.cleaning import Cleaning, DataRequirements
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID, model_to_output
from bids_deeptaskgen.io.nifti_writer import save_maps
from bids_deeptaskgen.models.bundle import Bundle, open_bundle
from bids_deeptaskgen.models.store import find_model
from bids_deeptaskgen.settings.base import AnySettings, make_settings

StrPath = str | PathLike[str]

logger = logging.getLogger("bids_deeptaskgen")


def load_bundle(name_or_folder: StrPath = "embedded") -> Bundle:
    """Load a model bundle: model card, masks, ROI maps and weights.

    Parameters
    ----------
    name_or_folder : str or path
        ``"embedded"`` (a small model for trying the software), the name of an installed model, or a folder
        that holds ``card.json``.

    Returns
    -------
    Bundle
        ``bundle.card.contrasts`` lists the contrasts in the order of the predicted maps.

    Raises
    ------
    UserError
        If there is no such model, or a file of it is damaged.

    Examples
    --------
    >>> bundle = load_bundle("embedded")
    >>> len(bundle.card.contrasts)
    47
    >>> bundle.card.contrasts[0].label
    'languageMath'
    >>> bundle.brain_mask.shape
    (76, 93, 78)
    """
    return open_bundle(
        find_model(name_or_folder if isinstance(name_or_folder, str) else Path(name_or_folder))
    )


def voxel_to_roi(
    bold: StrPath,
    bundle: Bundle,
    *,
    mask: StrPath | None = None,
    confounds: StrPath | None = None,
    t_r: float | None = None,
    cleaning: Cleaning | None = None,
    requirements: DataRequirements | None = None,
) -> NDArray[np.float32]:
    """Compute the voxel-to-ROI connectomes of one BOLD series in MNI152NLin6Asym space.

    Parameters
    ----------
    bold : str or path
        4-D NIfTI image; any voxel size, it is resampled to the grid of the model.
    bundle : Bundle
        Provides ROI maps and brain mask.
    mask : str or path, optional
        Brain mask on the grid of `bold`. Without it, voxels that are not exactly 0 are inside; they must
        match the brain mask of the model (Dice of at least 0.8). `bids-deeptaskgen` uses
        ``desc-brain_mask`` of fMRIPrep; without it, the result differs.
    confounds : str or path, optional
        Confounds table of fMRIPrep. Required by every cleaning with nuisance regressors or censoring.
    t_r : float, optional
        Repetition time in s. Default: the value in the JSON sidecar of `bold`, else in its header.
    cleaning : Cleaning, optional
        Nuisance regressors, high-pass filter, censoring. Default: as `bids-deeptaskgen`, or, without
        `confounds`, no nuisance regressors and no censoring.
    requirements : DataRequirements, optional
        Minimum minutes and degrees of freedom, and number of windows. Default: as `bids-deeptaskgen`, with
        one window. With ``n_windows=None``, the number of windows follows ``window_minutes``, for example
        ``bundle.card.window_minutes``.

    Returns
    -------
    float32 array of shape (n_windows, n_rois, n_brain_voxels)
        Pearson r; 0 in voxels without signal.

    Raises
    ------
    InputError
        If a file is missing or unusable, or too little data remain after censoring.

    Examples
    --------
    `dataset` is a folder of fMRIPrep derivatives with a very short run.

    >>> (bold,) = dataset.glob("sub-01/func/*_desc-preproc_bold.nii.gz")
    >>> requirements = DataRequirements(min_minutes=0.1, min_dof=2, n_windows=1)
    >>> voxel_to_roi(bold, load_bundle("embedded"), requirements=requirements).shape
    (1, 50, 235375)
    """
    paths = {
        name: None if path is None else Path(path)
        for name, path in (("bold", bold), ("mask", mask), ("confounds", confounds))
    }
    for name, path in paths.items():
        if path is not None and path.is_symlink():
            require_target(path)
        if path is not None and not path.is_file():
            message = f"{name}: {path} is not a file."
            raise InputError(message)
    image = Path(bold)
    if cleaning is None:
        cleaning = Cleaning() if confounds else Cleaning(nuisance_regressors="none", fd_threshold=0)
    if requirements is None:
        requirements = DataRequirements(window_minutes=bundle.card.window_minutes)
    run = RunInputs(image, paths["mask"], paths["confounds"], t_r or read_repetition_time(image))
    session = SessionInputs(subject=image.name.partition(".nii")[0], session=None, runs=(run,), entities=())
    from bids_deeptaskgen.connectome.session import compute_session_connectomes

    result = compute_session_connectomes(session, bundle.roi_space, cleaning, requirements)
    for finding in result.findings:
        logger.warning("%s", finding.message)
    return result.connectomes


def save_statmaps(path: StrPath, maps: ArrayLike) -> Path:
    """Write predicted maps as one 4-D NIfTI image on TemplateFlow's MNI152NLin6Asym res-02 grid.

    Parameters
    ----------
    path : str or path
        File to write, ending in ``.nii.gz``; an existing file is replaced.
    maps : array of shape (n_contrasts, 76, 93, 78)
        As returned by `predict`.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If `maps` does not have that shape.

    Examples
    --------
    >>> import nibabel
    >>> nibabel.load(save_statmaps(folder / "maps.nii.gz", np.ones((2, 76, 93, 78)))).shape
    (91, 109, 91, 2)
    """
    values = np.asarray(maps, np.float32)
    if values.ndim != 4 or values.shape[1:] != (76, 93, 78):
        message = f"maps: shape {values.shape} is not (n_contrasts, 76, 93, 78)."
        raise ValueError(message)
    file = Path(path)
    save_maps(file, (model_to_output(volume) for volume in values), len(values), OUTPUT_GRID)
    return file


def run_participant(bids_dir: StrPath, output_dir: StrPath, **options: Any) -> int:  # noqa: ANN401
    """Run the participant level of the BIDS App: ``bids-deeptaskgen BIDS_DIR OUTPUT_DIR participant``.

    Parameters
    ----------
    bids_dir : str or path
        fMRIPrep derivatives, or a BIDS dataset that contains them.
    output_dir : str or path
        BIDS derivatives dataset to write.
    **options
        Options of the command line with underscores, e.g. ``participant_label=("01",)``.

    Returns
    -------
    int
        Exit code: 0 if all participants are done, 1 if one failed, 3 if none had usable input.

    Raises
    ------
    UserError
        If an option is unknown or its value is not allowed, or the model or the output folder is unusable.
    InputError
        If there are no derivatives.

    Examples
    --------
    >>> options = {"model": "embedded", "min_minutes": 0.1, "min_dof": 2, "nprocs": 1}
    >>> run_participant(dataset, folder / "maps", participant_label=("01",), **options)
    participant  BOLD files
    sub-01       1           sub-01_task-rest_..._desc-preproc_bold.nii.gz
    participant  status  maps  reason
    sub-01       done    47
    The maps are in ...maps.
    The page is ...sub-01.html
    0
    >>> len(list((folder / "maps").glob("sub-01/func/*_stat-z_*statmap.nii.gz")))
    47
    """
    from bids_deeptaskgen.commands.participant import run
    from bids_deeptaskgen.settings.participant import ParticipantSettings

    return run(_make_settings(ParticipantSettings, bids_dir, output_dir, options))


def run_group(bids_dir: StrPath, output_dir: StrPath, **options: Any) -> int:  # noqa: ANN401
    """Run the group level of the BIDS App: ``bids-deeptaskgen BIDS_DIR OUTPUT_DIR group``.

    Parameters
    ----------
    bids_dir : str or path
        Not read; BIDS Apps take it at every level.
    output_dir : str or path
        Output of the participant level.
    **options
        Options of the command line with underscores, e.g. ``overwrite=True``.

    Returns
    -------
    int
        Exit code: 0, or 1 if maps of a participant cannot be used, or a contrast cannot be tested.

    Raises
    ------
    UserError
        If an option is unknown, or the design cannot be tested.
    InputError
        If `output_dir` holds no finished participant.

    Examples
    --------
    >>> options = {"model": "embedded", "contrasts": ("wm2bk",), "min_minutes": 0.1, "min_dof": 2}
    >>> exit_code = run_participant(dataset, folder / "cohort", **options)
    participant  BOLD files
    ...
    >>> exit_code = run_group(dataset, folder / "cohort")
    4 ...
    >>> len(list((folder / "cohort" / "group").glob("*_stat-mean_*statmap.nii.gz")))
    1
    """
    from bids_deeptaskgen.commands.group import run
    from bids_deeptaskgen.settings.group import GroupSettings

    return run(_make_settings(GroupSettings, bids_dir, output_dir, options))


def _make_settings(
    settings_class: type[AnySettings], bids_dir: StrPath, output_dir: StrPath, options: dict[str, Any]
) -> AnySettings:
    names = {field.name for field in fields(settings_class)}
    if unknown_names := sorted(set(options) - names):
        message = (
            f"{', '.join(unknown_names)}: no such option. Options of this level: {', '.join(sorted(names))}."
        )
        raise UserError(message)
    return make_settings(
        settings_class, {"bids_dir": Path(bids_dir), "output_dir": Path(output_dir), **options}
    )
