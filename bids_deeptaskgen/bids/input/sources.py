"""The kinds of input that are understood: which one it is, who is in it, and what they have."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.bids.filenames import generator_of
from bids_deeptaskgen.bids.input import sessions as inputs
from bids_deeptaskgen.bids.input.archives import lookup as archives
from bids_deeptaskgen.bids.input.derivatives import (
    find_derivatives,
    known_pipeline,
    locate_derivatives,
    must_be_folder,
    read_description,
)
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.preflight import Preflight, preflight
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.connectome.inputs import SessionInputs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import UserError

logger = logging.getLogger("bids_deeptaskgen")

FMRIPREP = "fmriprep"
Found = SessionInputs | inputs.SessionFault


class Source(NamedTuple):
    """How a kind of input is read.

    Attributes
    ----------
    preflight_dataset : callable
        Rows of the preflight, by folders and file names alone.
    find_sessions : callable
        The sessions of one person.
    """

    preflight_dataset: Callable[[InputDataset, Query], list[Preflight]]
    find_sessions: Callable[[InputDataset, str, Query, bool], list[Found]]


def _single_row(located: InputDataset, _query: Query) -> list[Preflight]:
    session = _single(located)
    names = tuple(run.bold.name for run in session.runs)
    return [Preflight(session.subject, session.session, names, entities=(session.entities,))]


def _single(located: InputDataset) -> SessionInputs:
    if located.session is None:
        message = "an input of single files names them."
        raise ValueError(message)
    return located.session


def _archive(name: str) -> Source:
    archive = archives.ARCHIVES[name]
    return Source(
        lambda located, query: archives.preflight_dataset(archive, located.root, query),
        lambda located, subject, query, combine: archives.find_sessions(
            archive, located.root, subject, query, combine_runs=combine
        ),
    )


SOURCES = {
    FMRIPREP: Source(
        lambda located, query: preflight(located.root, query),
        lambda located, subject, query, combine: inputs.collect_sessions(
            located.root, subject, query, others=dict(located.others), combine_runs=combine
        ),
    ),
    **{name: _archive(name) for name in archives.ARCHIVES},
    "files": Source(_single_row, lambda located, *_: [_single(located)]),
}


def preflight_dataset(located: InputDataset, query: Query) -> list[Preflight]:
    """Look up what everyone has, by folders and file names; see `preflight`."""
    return SOURCES[located.kind].preflight_dataset(located, query)


def find_sessions(located: InputDataset, subject: str, query: Query, *, combine_runs: bool) -> list[Found]:
    """Find the files of one person; see `collect_sessions`."""
    return SOURCES[located.kind].find_sessions(located, subject, query, combine_runs)


def is_cleaned(located: InputDataset, desc: str) -> bool:
    """Whether the series have been denoised before, so that nothing more is to be regressed out."""
    if located.session is not None:
        # Who names a table of confounds wants it used.
        return all(run.confounds is None for run in located.session.runs)
    return located.kind != FMRIPREP or desc in load_table("queries.json")["made_by"]


def locate(
    bids_dir: Path,
    derivatives: tuple[tuple[str, Path], ...] = (),
    *,
    desc: str = "preproc",
    input_type: str = "auto",
) -> InputDataset:
    """Find the input that a command line means, and log what was taken.

    Parameters
    ----------
    bids_dir : Path
        Derivatives, a raw dataset that has them in ``derivatives``, or the folder of another archive.
    derivatives : tuple of (str, Path)
        What ``-d NAME=PATH`` named.
    desc : str
        ``desc-`` of the series, which tells whose derivatives are meant.
    input_type : {"auto", "fmriprep", "hcp", "ukb"}

    Returns
    -------
    Located

    Raises
    ------
    InputError
        If there is no input, or several that fit equally.
    UserError
        If ``-d`` named something that is not used.
    """
    kind = input_type
    if input_type == "auto":
        kind = FMRIPREP if derivatives else archives.detect_archive(bids_dir) or FMRIPREP
    if kind in archives.ARCHIVES:
        return _locate_archive(kind, bids_dir.absolute(), derivatives)
    if not derivatives:
        archives.refuse_wrong_folder(bids_dir.absolute())
    maker = generator_of(desc)
    named = _by_name(derivatives)
    root, description = locate_derivatives(named.pop(maker, bids_dir), maker)
    _refuse_unused({name: path for name, path in named.items() if name not in (FMRIPREP, "aroma")}, maker)
    if maker != FMRIPREP and FMRIPREP not in named:
        beside = find_derivatives(bids_dir.absolute(), FMRIPREP)
        if len(beside) == 1 and beside[0].root != root:
            named[FMRIPREP] = beside[0].root
    for name, path in named.items():
        must_be_folder(path)
        logger.info("Input: what the derivatives lack is looked for in %s (%s)", path, name)
    others = tuple((name, path.absolute()) for name, path in named.items())
    return InputDataset(FMRIPREP, root, maker, others, description=description)


def _locate_archive(kind: str, root: Path, derivatives: tuple[tuple[str, Path], ...]) -> InputDataset:
    _refuse_unused(dict(derivatives), f"input of type {kind}")
    must_be_folder(root)
    archives.refuse_wrong_folder(root, kind)
    logger.info("Input: %s in %s", archives.ARCHIVES[kind].title, root)
    return InputDataset(kind, root, kind, description=read_description(root))


def _by_name(derivatives: tuple[tuple[str, Path], ...]) -> dict[str, Path]:
    """Give each dataset the name of what made it, whatever the user called it."""
    known = load_table("queries.json")["pipelines"]
    named: dict[str, Path] = {}
    for given, path in derivatives:
        name = given.lower() if given.lower() in known else known_pipeline(read_description(path)) or given
        if name in named:
            message = f"-d named two datasets of {name}: {named[name]} and {path}; name one."
            raise UserError(message)
        named[name] = path
    return named


def _refuse_unused(named: Mapping[str, Path], taken: str) -> None:
    if named:
        # Silence would say that they were used.
        unused = ", ".join(f"{name}={path}" for name, path in named.items())
        known = load_table("queries.json")["pipelines"]
        message = (
            f"-d named {unused}, which nothing here uses (the input is {taken}; the names that are known are "
            f"{', '.join(known)}).\nLeave it out, or choose the series that it holds with --desc."
        )
        raise UserError(message)
