"""Names in exports: search of the closest names, and names that are safe in files and programs."""

import difflib
import re
from collections.abc import Collection, Iterable, Sequence

from bids_deeptaskgen.errors import UserError, abbreviate

# PCNtoolkit names files after response variables; a file name has at most 255 bytes.
_MAX_CHARACTERS = 100


def require_names(names: Sequence[str], available: Collection[str], problem: str, parameter: str) -> None:
    """Refuse names that do not exist, with the closest names.

    Parameters
    ----------
    names : sequence of str
        Requested names.
    available : collection of str
    problem : str
        Begin of the message, such as ``participants.tsv: has no column``.
    parameter : str
        Name of the setting.

    Raises
    ------
    UserError

    Examples
    --------
    >>> require_names(["Age"], ["age", "sex"], "participants.tsv: has no column", "covariates")
    Traceback (most recent call last):
    bids_deeptaskgen.errors.UserError: participants.tsv: has no column Age. The closest names are age...
    """
    unknown_name = next((name for name in names if name not in available), None)
    if unknown_name is None:
        return
    spellings = {candidate.casefold(): candidate for candidate in sorted(available)}
    matches = difflib.get_close_matches(unknown_name.casefold(), list(spellings), n=3, cutoff=0.5)
    closest_names = [spellings[match] for match in matches]
    hint = "The closest names are" if closest_names else "The names are"
    message = (
        f"{problem} {unknown_name}. {hint} {abbreviate(closest_names or sorted(available))}.\n"
        f"Correct `{parameter}`."
    )
    raise UserError(message)


def safe_names(names: Iterable[str], reserved: Collection[str] = ()) -> list[str]:
    """Return different names of letters, digits and underscores.

    Parameters
    ----------
    names : iterable of str
    reserved : collection of str
        Further names that the result must not have.

    Returns
    -------
    list of str
        One name for each name, at most 100 characters long, different also without regard to letter case:
        some file systems do not distinguish it.

    Examples
    --------
    >>> safe_names(["faces_7Networks_LH Vis 1", "faces_a-b", "faces_A b", "age"], reserved=["age"])
    ['faces_7Networks_LH_Vis_1', 'faces_a_b', 'faces_A_b_2', 'age_2']
    """
    used_names = {name.casefold() for name in reserved}
    result = []
    for name in names:
        stem = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")[:_MAX_CHARACTERS] or "variable"
        candidate, number = stem, 1
        while candidate.casefold() in used_names:
            number += 1
            suffix = f"_{number}"
            candidate = stem[: _MAX_CHARACTERS - len(suffix)] + suffix
        used_names.add(candidate.casefold())
        result.append(candidate)
    return result
