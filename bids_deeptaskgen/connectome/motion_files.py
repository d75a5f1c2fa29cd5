"""Motion parameters: files without column names, recognised by name and content, and implausible values."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.number_table import read_matrix
from bids_deeptaskgen.io.text import read_text
from bids_deeptaskgen.io.text_table import is_number
from bids_deeptaskgen.nuisance_presets import MOTION

Numbers = NDArray[np.float64]
# Problem, value and limit.
Explanation = tuple[str, float, float]
PLAUSIBLE: Explanation = ("", np.nan, np.nan)

# HCP's pipelines write mm, then degrees (6 columns), and their derivatives (12); MCFLIRT radians, then mm.
_HCP_NAME = re.compile(r"Movement_Regressors\w*\.txt")
_HCP_COLUMNS, _MCFLIRT_COLUMNS = (6, 12), (6,)
# A head cannot turn that far in a head coil, nor move that far from one volume to the next. The largest
# values in real tables of children are 12 degrees and 7 mm.
MAX_ROTATION_DEG, MAX_STEP_MM = 45.0, 50.0
# In real tables, rotations on a sphere of 50 mm are 0.4 to 0.9 of the translations; a wrong unit changes that
# ratio by 57 (180 / pi). Fewer steps than the last number do not tell.
MAX_STEP_RATIO, RADIUS_MM, MIN_STEPS = 20.0, 50.0, 10
_TABLE_ADVICE = (
    "Without column names, only HCP's Movement_Regressors.txt and MCFLIRT's .par are read. Write other "
    "motion parameters (SPM's rp_*.txt, AFNI's .1D) as a TSV with the columns trans_x, trans_y, trans_z "
    "(mm), rot_x, rot_y and rot_z (radians)."
)


def is_motion_file(path: Path) -> bool:
    """Return whether a file has motion parameters without column names, by its name.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool

    Raises
    ------
    InputError
        If the file has numbers without column names, but another name.

    Examples
    --------
    >>> is_motion_file(Path("prefiltered_func_data_mcf.par")), is_motion_file(Path("Movement_Regressors.txt"))
    (True, True)
    """
    if path.suffix == ".par" or _HCP_NAME.fullmatch(path.name):
        return True
    words = re.split(r"[\s,;]+", read_text(path).strip().partition("\n")[0].strip())
    if len(words) > 1 and path.suffix != ".tsv" and all(map(is_number, words)):
        message = f"{path}: has {len(words)} columns of numbers without names.\n{_TABLE_ADVICE}"
        raise InputError(message)
    return False


def read_motion_file(path: Path) -> dict[str, Numbers]:
    """Read the motion parameters of HCP's pipelines or of MCFLIRT.

    Parameters
    ----------
    path : Path
        ``Movement_Regressors*.txt`` with 6 or 12 columns (mm, degrees, derivatives), or ``.par`` with 6
        columns (radians, mm).

    Returns
    -------
    dict of str to array of shape (n_volumes,)
        Translations in mm and rotations in radians, by the names of fMRIPrep.

    Raises
    ------
    InputError
        If the file cannot be read, has another number of columns, or implausible values.
    """
    values = read_matrix(path)
    is_mcflirt = path.suffix == ".par"
    n_columns = values.shape[1]
    if n_columns not in (_MCFLIRT_COLUMNS if is_mcflirt else _HCP_COLUMNS):
        kind = "MCFLIRT's .par has 6" if is_mcflirt else "HCP's Movement_Regressors.txt has 6 or 12"
        message = f"{path}: has {n_columns} columns, but {kind}.\n{_TABLE_ADVICE}"
        raise InputError(message)
    if is_mcflirt:
        motion = np.hstack([values[:, 3:6], values[:, :3]])
    else:
        motion = np.hstack([values[:, :3], np.deg2rad(values[:, 3:6])])
    problem, _, _ = explain_implausible(dict(zip(MOTION, motion.T, strict=True)))
    if problem:
        units = "radians, then mm, as MCFLIRT" if is_mcflirt else "mm, then degrees, as HCP's pipelines"
        message = f"{path}: read as {units} write them, {problem}.\nCheck its origin. {_TABLE_ADVICE}"
        raise InputError(message)
    return dict(zip(MOTION, motion.T, strict=True))


def explain_implausible(columns: Mapping[str, Numbers]) -> Explanation:
    """Explain why motion cannot be that of a head in a scanner, or is in other units.

    Parameters
    ----------
    columns : dict of str to array of shape (n_volumes,)
        Six motion parameters in mm and radians, framewise displacement in mm, or both; other columns are
        ignored.

    Returns
    -------
    str
        Empty if the values are plausible.
    float, float
        Value and its limit; NaN if the values are plausible.

    Examples
    --------
    >>> motion = {name: np.array([0, 0.02, 0.01]) / (1 if "trans" in name else 50) for name in MOTION}
    >>> explain_implausible(motion)[0]
    ''
    >>> explain_implausible(motion | {"rot_x": np.array([0, 0.9, 1])})[0]
    'rotations reach 57 degrees (limit 45)'
    """
    fd = columns.get("framewise_displacement")
    if set(MOTION) <= set(columns):
        motion = np.column_stack([columns[name] for name in MOTION])
        steps = np.abs(np.diff(motion[np.isfinite(motion).all(axis=1)], axis=0))
        problem = _explain_rotations(motion[:, 3:], steps)
        if problem[0]:
            return problem
        fd = (steps * [1, 1, 1, RADIUS_MM, RADIUS_MM, RADIUS_MM]).sum(axis=1) if fd is None else fd
    return PLAUSIBLE if fd is None else _explain_fd(fd[np.isfinite(fd)])


def _explain_rotations(rotations: Numbers, steps: Numbers) -> Explanation:
    rotations = rotations[np.isfinite(rotations).all(axis=1)]
    angle = float(np.rad2deg(np.ptp(rotations, axis=0).max())) if len(rotations) else 0.0
    if angle > MAX_ROTATION_DEG:
        return f"rotations reach {angle:.0f} degrees (limit {MAX_ROTATION_DEG:.0f})", angle, MAX_ROTATION_DEG
    shift, arc = _typical_steps(steps)
    if shift and arc and not 1 / MAX_STEP_RATIO <= arc / shift <= MAX_STEP_RATIO:
        ratio = max(arc / shift, shift / arc)
        size, cause = ("larger", "in degrees") if arc > shift else ("smaller", "radians read as degrees")
        problem = f"rotations are {ratio:.0f} times {size} than translations (limit {MAX_STEP_RATIO:.0f})"
        return f"{problem}: they may be {cause}", ratio, MAX_STEP_RATIO
    return PLAUSIBLE


def _typical_steps(steps: Numbers) -> tuple[float, float]:
    """Return the medians of translation and rotation in mm, over steps with both; 0 for few such steps.

    A large step of either alone, such as a nod or a failed registration, says nothing about units.
    """
    shifts, arcs = (np.linalg.norm(part, axis=1) for part in (steps[:, :3], RADIUS_MM * steps[:, 3:]))
    is_both = (shifts > 0) & (arcs > 0)
    if is_both.sum() < MIN_STEPS:
        return 0.0, 0.0
    return float(np.median(shifts[is_both])), float(np.median(arcs[is_both]))


def _explain_fd(fd: Numbers) -> Explanation:
    lowest, highest = (float(fd.min()), float(fd.max())) if len(fd) else (0.0, 0.0)
    if lowest < 0:
        return f"framewise displacement is negative ({lowest:.2g} mm)", lowest, 0.0
    if highest > MAX_STEP_MM:
        problem = f"framewise displacement reaches {highest:.0f} mm (limit {MAX_STEP_MM:.0f})"
        return problem, highest, MAX_STEP_MM
    return PLAUSIBLE


def find_implausible(path: Path, columns: Mapping[str, Numbers]) -> tuple[Finding, ...]:
    """Report implausible motion of a table whose units are those of fMRIPrep.

    It does not exclude the run: a failed registration of a few volumes has such values, too, and censoring
    removes them.

    Parameters
    ----------
    path : Path
        Table, for the message.
    columns : dict of str to array of shape (n_volumes,)

    Returns
    -------
    tuple of Finding
        ``implausible_motion``, or none.
    """
    problem, value, limit = explain_implausible(columns)
    if not problem:
        return ()
    advice = (
        "Motion parameters must be in mm and radians. Correct the table; or look at the run, and exclude it "
        "or censor these volumes with `fd_threshold`."
    )
    return (Finding("implausible_motion", f"{path}: {problem}.\n{advice}", value, limit),)
