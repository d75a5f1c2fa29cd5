"""The user's own regressors of a run, found by name in a folder."""

from pathlib import Path

from bids_deeptaskgen.errors import InputError


def find_custom(folder: Path, bold: Path, root: Path, names: tuple[str, ...]) -> Path:
    """Find the user's table for a run.

    Parameters
    ----------
    folder : Path
        Where tables lie, in the same folders as the BOLD series or all together.
    bold : Path
        BOLD series of the run.
    root : Path
        Dataset that holds it.
    names : tuple of str
        Names that the table may have beside that of the series.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is none, or a table was named for the folder.
    """
    if folder.is_file():
        message = (
            f"{folder}: is a file; --custom-confounds wants a folder with one table for each run, or all "
            "would be cleaned with the same.\nName its folder, and call the table as the run's confounds."
        )
        raise InputError(message)
    names = (*names, bold.name.partition(".nii")[0] + ".tsv")
    # Only BIDS names tell people apart; those of other archives are the same for everybody.
    places = [folder / bold.parent.relative_to(root), *([folder] if bold.name.startswith("sub-") else [])]
    for place in places:
        for name in names:
            if (place / name).is_file():
                return place / name
    wanted = ", ".join(dict.fromkeys(names))
    message = (
        f"{folder}: no table of your own regressors for {bold} (looked for {wanted} in "
        f"{' and '.join(map(str, places))}).\nPut it there, or leave --custom-confounds out."
    )
    raise InputError(message)
