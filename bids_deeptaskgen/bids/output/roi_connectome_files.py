"""Files of ROI-by-ROI connectomes, one for each session."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.io.number_table import read_number_table

_REMEDY = "Delete it and re-run this participant."


def read_roi_connectome(path: Path) -> NDArray[np.float64]:
    r"""Read the ROI-by-ROI connectome of a session.

    Parameters
    ----------
    path : Path
        TSV with a row and a column for each ROI, under the names of the ROIs.

    Returns
    -------
    array of shape (n_rois, n_rois)
        Pearson r; NaN for ROIs without signal.

    Raises
    ------
    InputError
        If the file cannot be read, or is not a symmetric table of correlations.

    Examples
    --------
    >>> path = folder / "sub-01_task-rest_meas-PearsonCorrelation_relmat.tsv"
    >>> _ = path.write_text("roi1\troi2\n1\t0.5\n0.5\t1\n")
    >>> read_roi_connectome(path)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    table = read_number_table(path)
    if table.problems:
        name, problem = next(iter(table.problems.items()))
        message = f"{path}, column {name}: {problem}.\n{_REMEDY}"
        raise InputError(message)
    if table.n_rows != len(table.columns):
        message = (
            f"{path}: has {table.n_rows} rows and {len(table.columns)} columns; it must be square.\n{_REMEDY}"
        )
        raise InputError(message)
    matrix = np.column_stack(list(table.columns.values()))
    is_symmetric = np.allclose(matrix, matrix.T, rtol=0, atol=1e-5, equal_nan=True)
    if not is_symmetric or (np.abs(matrix) > 1 + 1e-5).any():
        message = f"{path}: is not a symmetric table of correlations from -1 to 1.\n{_REMEDY}"
        raise InputError(message)
    return matrix
