"""Files of the run before that a run does not replace, and that are removed."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from bids_deeptaskgen.bids.filenames import parse_name
from bids_deeptaskgen.errors import InputError, UserError, abbreviate, quantity, raise_disk_error
from bids_deeptaskgen.group.prepared_set import PreparedSet
from bids_deeptaskgen.group.selection import Selection, restrict_contrasts
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.settings.group import GroupSettings

# Lists the files of the most recent run, so that the next one removes those that it does not replace.
RECORD = Path("group/group.json")
_PERMUTED = ("pMaxT", "pTfce")


def recorded_files(output: Path) -> set[Path]:
    """List the files of the run before that are in the folder ``group`` or a page of it.

    Parameters
    ----------
    output : Path
        Root of the dataset.

    Returns
    -------
    set of Path
        Relative to `output`; empty without a record that can be read.
    """
    try:
        names = [str(name) for name in read_json(output / RECORD)["Files"]]
    except (InputError, OSError, KeyError, TypeError) as error:
        raise_disk_error(error, output / RECORD)
        return set()
    paths = {Path(name) for name in names}
    # An edited record must not delete other files.
    return {path for path in paths if ".." not in path.parts and path.parts[0] in ("group", "group.html")}


def permutation_files(prepared_sets: Sequence[PreparedSet], selection: Selection) -> set[Path]:
    """List the maps of tests with permutations that a run is to write.

    Parameters
    ----------
    prepared_sets : sequence of PreparedSet
    selection : Selection

    Returns
    -------
    set of Path
        Relative to the root of the dataset.
    """
    files = set()
    for prepared in prepared_sets:
        if prepared.design is None or not prepared.design.request.n_permutations:
            continue
        for label in restrict_contrasts(prepared.group_set, selection.contrasts):
            for effect in prepared.design.effects:
                for stat in _PERMUTED if prepared.design.request.tfce else _PERMUTED[:1]:
                    labels = {"contrast": label, "stat": stat, "effect": effect.label}
                    files.add(prepared.group_set.path(Path(), "group_effect_statmap", **labels))
    return files


def refuse_lost_tests(settings: GroupSettings, files: Collection[Path]) -> None:
    """Refuse to remove tests with permutations, which take hours, of a run before.

    Parameters
    ----------
    settings : GroupSettings
        With ``overwrite``, nothing is refused.
    files : collection of Path
        Maps of tests with permutations that the run writes, relative to the root of the dataset.

    Raises
    ------
    UserError
    """
    earlier_files = set() if settings.overwrite else recorded_files(settings.output_dir)
    lost_maps = sorted(
        file
        for file in earlier_files - set(files)
        if is_permuted(file) and (settings.output_dir / file).exists()
    )
    if lost_maps:
        names = [parse_name(file.name) for file in lost_maps]
        tests = dict.fromkeys(f"{name.get('desc')} in {name.get('contrast')}" for name in names)
        message = (
            f"{settings.output_dir / RECORD.parent}: this run does not repeat "
            f"{quantity(len(tests), 'test')} with permutations of the run before ({abbreviate([*tests])}).\n"
            "Move that folder to keep it, or set `overwrite` to remove them."
        )
        raise UserError(message)


def is_permuted(file: Path) -> bool:
    """Return whether a file is a map of a test with permutations.

    Parameters
    ----------
    file : Path

    Returns
    -------
    bool

    Examples
    --------
    >>> is_permuted(Path("group/task-rest_contrast-motorLh_stat-pMaxT_desc-age_statmap.nii.gz"))
    True
    """
    return file.name.endswith("_statmap.nii.gz") and parse_name(file.name).get("stat") in _PERMUTED


def describe_files(files: Collection[Path]) -> str:
    """Describe how many files of each kind there are, without sidecars.

    Parameters
    ----------
    files : collection of Path
        Files of the group level.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_files([Path("group/sets.tsv"), Path("group/sets.json"), Path("group.html")])
    '1 page, 1 table'
    """
    counts = Counter(_kind(file) for file in files if file.suffix != ".json")
    return ", ".join(quantity(n, kind) for kind, n in sorted(counts.items()))


def _kind(file: Path) -> str:
    if file.suffix == ".html":
        return "page"
    if not file.name.endswith(".nii.gz"):
        return "table"
    if file.name.endswith("_dseg.nii.gz"):
        return "image of functional ROIs"
    return "map" if parse_name(file.name).get("desc") in ("predicted", "qcfc") else "map of tests"
