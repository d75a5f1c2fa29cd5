"""Names of a participant's pages, and whether they show the current maps."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_deeptaskgen.bids.filenames import join_name
from bids_deeptaskgen.bids.output.results import Result

# More sets of maps than this are split into one page per session.
MAX_PER_PAGE = 3
# The start of a page, which contains `kind_mark` and the digest.
_HEAD_CHARACTERS = 4096
_MARK = '<meta name="deeptaskgen-report" content="'
_DIGEST_MARK = '<meta name="deeptaskgen-content" content="'


def page_name(subject: str, session: str | None = None, entities: Sequence[tuple[str, str]] = ()) -> str:
    """Return the name of a page.

    Parameters
    ----------
    subject : str
        Label without ``sub-``.
    session : str or None
        Label without ``ses-`` of a page of one session.
    entities : sequence of (str, str)
        Further entities of a page of one set of maps.

    Returns
    -------
    str

    Examples
    --------
    >>> page_name("01"), page_name("01", "2")
    ('sub-01.html', 'sub-01_ses-2.html')
    """
    pairs = [("sub", subject), *([("ses", session)] if session else []), *entities]
    return f"{join_name(pairs)}.html"


def plan_pages(subject: str, results: Sequence[Result]) -> dict[str, list[Result]]:
    """Plan the pages of a participant: the sets of maps on each.

    Parameters
    ----------
    subject : str
        Label without ``sub-``.
    results : sequence of Result
        All of this participant.

    Returns
    -------
    dict of str to list of Result
        Sets of maps by name of the page: one page for up to ``MAX_PER_PAGE``, else one for each session, or
        for each set if a session has more. Without results one page, for the failures.
    """
    if len(results) <= MAX_PER_PAGE:
        return {page_name(subject): list(results)}
    plan: dict[str, list[Result]] = {}
    for session in dict.fromkeys(result.session for result in results):
        members = [result for result in results if result.session == session]
        if len(members) <= MAX_PER_PAGE and session:
            plan[page_name(subject, session)] = members
        else:
            plan |= {page_name(subject, session, result.entities): [result] for result in members}
    return plan


def kind_mark(kind: str) -> str:
    """Return the mark in the head of a page that states its kind.

    Parameters
    ----------
    kind : {"full", "qc"}

    Returns
    -------
    str
    """
    return f'{_MARK}{kind}">'


def read_mark(path: Path) -> str | None:
    """Return the kind of a page.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str or None
        None if the file is missing or is not a page of bids_deeptaskgen.
    """
    return _read_meta(path, _MARK)


def _read_meta(path: Path, start: str) -> str | None:
    try:
        with path.open(encoding="utf-8") as file:
            head = file.read(_HEAD_CHARACTERS)
    except (OSError, UnicodeDecodeError):
        return None
    _, mark, rest = head.partition(start)
    return rest.partition('"')[0] if mark else None


def content_digest(
    output_dir: Path, results: Sequence[Result], failures: Mapping[str, str], *facts: str
) -> str:
    """Hash what the pages of a participant show: the completion records, the failures and further facts.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    results : sequence of Result
        All sets of maps of the participant.
    failures : dict of str to str
        Reason by name of the session.
    *facts : str
        Kind of the pages, version of the software, hash of the model.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    OSError
        If a completion record cannot be read.
    """
    records = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (result.path(output_dir, "qc_metrics") for result in results)
    }
    content = json.dumps([facts, sorted(records.items()), sorted(failures.items())])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def is_current(path: Path, digest: str) -> bool:
    """Return whether a page exists and shows the current content.

    Parameters
    ----------
    path : Path
        The page.
    digest : str
        From `content_digest`.

    Returns
    -------
    bool
    """
    return _read_meta(path, _DIGEST_MARK) == digest


def list_pages(output_dir: Path, subject: str) -> list[Path]:
    """List the existing pages of a participant.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    subject : str
        Label without ``sub-``.

    Returns
    -------
    list of Path
        Sorted by name, without files of other programs.
    """
    stem = page_name(subject).removesuffix(".html")
    candidates = [output_dir / f"{stem}.html", *sorted(output_dir.glob(f"{stem}_*.html"))]
    return [path for path in candidates if read_mark(path) is not None]
