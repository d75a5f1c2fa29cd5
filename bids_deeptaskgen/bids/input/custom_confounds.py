"""Custom regressors of a run, found by file name in a folder."""

from pathlib import Path

from bids_deeptaskgen.errors import InputError


def find_custom(folder: Path, bold: Path, root: Path, names: tuple[str, ...]) -> Path:
    """Find the table of custom regressors of a run.

    Parameters
    ----------
    folder : Path
        Folder of the tables; either all in it, or in the same subfolders as the BOLD series in `root`.
    bold : Path
        BOLD series of the run.
    root : Path
        Dataset of the BOLD series.
    names : tuple of str
        Accepted file names of the table; the name of the series with ``.tsv`` is accepted, too.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If no table exists, or `folder` is a file.
    """
    if folder.is_file():
        message = (
            f"{folder}: is a file, but `custom_confounds` expects a folder with one table for each run; one "
            "file would clean all runs with the same regressors.\nName its folder, and name each table like "
            "the run's confounds."
        )
        raise InputError(message)
    names = (*names, bold.name.partition(".nii")[0] + ".tsv")
    # BIDS names are unique for each participant; file names of archives are the same for all participants.
    folders = [folder / bold.parent.relative_to(root), *([folder] if bold.name.startswith("sub-") else [])]
    for candidate in folders:
        for name in names:
            if (candidate / name).is_file():
                return candidate / name
    accepted_names = ", ".join(dict.fromkeys(names))
    message = (
        f"{folder}: no table of custom regressors for {bold} (searched for {accepted_names} in "
        f"{' and '.join(map(str, folders))}).\nAdd the table, or remove `custom_confounds`."
    )
    raise InputError(message)
