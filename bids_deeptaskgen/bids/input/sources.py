"""Kinds of input: detection of the kind, the preflight, and the sessions of a participant."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.bids.filenames import generator_of
from bids_deeptaskgen.bids.input.archives import lookup as archives
from bids_deeptaskgen.bids.input.derivatives import (
    find_derivatives,
    find_pipeline,
    locate_derivatives,
    read_description,
    require_folder,
)
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.preflight import Preflight, preflight
from bids_deeptaskgen.bids.input.query import Query
from bids_deeptaskgen.bids.input.sessions import SessionFault, collect_sessions
from bids_deeptaskgen.bids.selection import remaining_labels
from bids_deeptaskgen.connectome.inputs import SessionInputs
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import UserError

logger = logging.getLogger("bids_deeptaskgen")

FMRIPREP = "fmriprep"
SessionRecord = SessionInputs | SessionFault


class Source(NamedTuple):
    """Functions that read a kind of input.

    Attributes
    ----------
    preflight_dataset : callable
        Returns the rows of the preflight, from folder and file names alone.
    find_sessions : callable
        Returns the sessions of one participant; see `find_sessions` for its parameters.
    """

    preflight_dataset: Callable[[InputDataset, Query], list[Preflight]]
    find_sessions: Callable[[InputDataset, str, Query, bool, bool], list[SessionRecord]]


def _single_row(dataset: InputDataset, _query: Query) -> list[Preflight]:
    session = _single_session(dataset)
    names = tuple(run.bold.name for run in session.runs)
    return [Preflight(session.subject, session.session, names, entities=(session.entities,))]


def _single_session(dataset: InputDataset) -> SessionInputs:
    if dataset.session is None:
        message = "an InputDataset of kind 'files' needs a session."
        raise ValueError(message)
    return dataset.session


def _archive(name: str) -> Source:
    archive = archives.ARCHIVES[name]
    return Source(
        lambda dataset, query: archives.preflight_dataset(archive, dataset.root, query),
        lambda dataset, subject, query, combine_runs, _: archives.find_sessions(
            archive, dataset.root, subject, query, combine_runs=combine_runs
        ),
    )


SOURCES = {
    FMRIPREP: Source(
        lambda dataset, query: preflight(dataset.root, query, dict(dataset.extra_roots)),
        lambda dataset, subject, query, combine_runs, uses_pybids: collect_sessions(
            dataset.root,
            subject,
            query,
            extra_roots=dict(dataset.extra_roots),
            combine_runs=combine_runs,
            uses_pybids=uses_pybids,
        ),
    ),
    **{name: _archive(name) for name in archives.ARCHIVES},
    "files": Source(_single_row, lambda dataset, *_: [_single_session(dataset)]),
}


def preflight_dataset(dataset: InputDataset, query: Query) -> list[Preflight]:
    """List the usable input of all participants, by folder and file names.

    Parameters
    ----------
    dataset : InputDataset
    query : Query

    Returns
    -------
    list of Preflight
        See `preflight`.
    """
    rows = SOURCES[dataset.kind].preflight_dataset(dataset, query)
    labels = remaining_labels((row.subject for row in rows), query.excluded)
    return [row for row in rows if row.subject in labels]


def find_sessions(
    dataset: InputDataset, subject: str, query: Query, *, combine_runs: bool, uses_pybids: bool = True
) -> list[SessionRecord]:
    """Find the runs of one participant with their files.

    Parameters
    ----------
    dataset : InputDataset
    subject : str
        Label without ``sub-``.
    query : Query
        Its participants are ignored.
    combine_runs : bool
        Pool the runs of a session in one record; else return one record for each run.
    uses_pybids : bool
        Index the files of a BIDS dataset with pybids, which takes a tenth of a second.

    Returns
    -------
    list of SessionInputs or SessionFault
        See `collect_sessions`.
    """
    return SOURCES[dataset.kind].find_sessions(dataset, subject, query, combine_runs, uses_pybids)


def is_cleaned(dataset: InputDataset, desc: str) -> bool:
    """Return whether the series have been denoised before, so that no regressors need to be removed.

    Parameters
    ----------
    dataset : InputDataset
    desc : str
        ``desc-`` of the series.

    Returns
    -------
    bool
    """
    if dataset.session is not None:
        # A user who names a table of confounds expects it to be used.
        return all(run.confounds is None for run in dataset.session.runs)
    return dataset.kind != FMRIPREP or desc in load_table("queries.json")["made_by"]


def locate(
    bids_dir: Path,
    derivatives: tuple[tuple[str, Path], ...] = (),
    *,
    desc: str = "preproc",
    input_type: str = "auto",
) -> InputDataset:
    """Find the input datasets that a command line names, and log their paths.

    Parameters
    ----------
    bids_dir : Path
        Derivatives, a raw dataset that has them in ``derivatives``, or the folder of another archive.
    derivatives : tuple of (str, Path)
        Names and paths of ``-d NAME=PATH``.
    desc : str
        ``desc-`` of the series, which determines the pipeline that wrote them.
    input_type : {"auto", "fmriprep", "hcp", "ukb"}
        Kind of input; ``auto`` detects it.

    Returns
    -------
    InputDataset

    Raises
    ------
    InputError
        If there is no input, or several datasets fit equally well.
    UserError
        If a dataset of `derivatives` would not be used.
    """
    kind = input_type
    if input_type == "auto":
        kind = FMRIPREP if derivatives else archives.detect_archive(bids_dir) or FMRIPREP
    if kind in archives.ARCHIVES:
        return _locate_archive(kind, bids_dir.absolute(), derivatives)
    if not derivatives:
        archives.refuse_wrong_folder(bids_dir.absolute())
    generator = generator_of(desc)
    roots = _roots_by_pipeline(derivatives)
    is_named = generator in roots
    root, description = locate_derivatives(roots.pop(generator, bids_dir), generator, is_named=is_named)
    _refuse_unused({name: path for name, path in roots.items() if name not in (FMRIPREP, "aroma")}, generator)
    if generator != FMRIPREP and FMRIPREP not in roots:
        candidates = find_derivatives(bids_dir.absolute(), FMRIPREP)
        if len(candidates) == 1 and candidates[0].root != root:
            roots[FMRIPREP] = candidates[0].root
        elif len(candidates) > 1:
            logger.warning(
                "%s: %d fMRIPrep derivatives were found (%s), so no masks and confounds are read from any. "
                "Name one with -d fmriprep=PATH.",
                bids_dir, len(candidates), ", ".join(str(candidate.root) for candidate in candidates),
            )  # fmt: skip
    for name, path in roots.items():
        require_folder(path)
        logger.info("Input: files that the derivatives lack are read from %s (%s)", path, name)
    extra_roots = tuple((name, path.absolute()) for name, path in roots.items())
    return InputDataset(FMRIPREP, root, generator, extra_roots, description=description)


def _locate_archive(kind: str, root: Path, derivatives: tuple[tuple[str, Path], ...]) -> InputDataset:
    _refuse_unused(dict(derivatives), f"input of type {kind}")
    require_folder(root)
    archives.refuse_wrong_folder(root, kind)
    logger.info("Input: %s in %s", archives.ARCHIVES[kind].title, root)
    return InputDataset(kind, root, kind, description=read_description(root))


def _roots_by_pipeline(derivatives: tuple[tuple[str, Path], ...]) -> dict[str, Path]:
    """Map the pipeline that wrote each dataset to its root, whatever name the user chose."""
    pipeline_names = load_table("queries.json")["pipelines"]
    roots: dict[str, Path] = {}
    for label, path in derivatives:
        name = label.lower()
        if name not in pipeline_names:
            name = find_pipeline(read_description(path)) or label
        if name in roots:
            message = f"-d named two datasets of {name}: {roots[name]} and {path}. Remove one of them."
            raise UserError(message)
        roots[name] = path
    return roots


def _refuse_unused(roots: Mapping[str, Path], kind: str) -> None:
    if roots:
        # Without a message, the user would assume that these datasets are used.
        datasets = ", ".join(f"{name}={path}" for name, path in roots.items())
        pipeline_names = ", ".join(load_table("queries.json")["pipelines"])
        message = (
            f"-d named {datasets}, which this run does not use (input: {kind}; supported names: "
            f"{pipeline_names}).\nRemove this option, or choose the series of that dataset with `desc`."
        )
        raise UserError(message)
