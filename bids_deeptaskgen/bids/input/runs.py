"""Runs of one session with all their files, by names alone: what preflight and sessions share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bids_deeptaskgen.bids.filenames import Entities, generator_of, join_name
from bids_deeptaskgen.bids.input.custom_confounds import find_custom
from bids_deeptaskgen.bids.input.index import ListFiles
from bids_deeptaskgen.bids.input.layout import File, list_files, of_kind
from bids_deeptaskgen.bids.input.matching import (
    TableMatch,
    match_masks,
    match_table,
    measurement,
    require_single,
)
from bids_deeptaskgen.bids.input.query import (
    VOLUME,
    Query,
    describe_misplaced,
    fits,
    is_misplaced,
    is_series,
)
from bids_deeptaskgen.connectome.findings import Finding
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import InputError, abbreviate

FMRIPREP = "fmriprep"


@dataclass(frozen=True)
class SessionFiles:
    """Functional files of a session.

    Attributes
    ----------
    root : Path
        Root of the main dataset.
    main : tuple of File
        Files of the main dataset.
    extra : dict of str to tuple of File
        Files of further derivatives by name, ``fmriprep`` and ``aroma``.
    """

    root: Path
    main: tuple[File, ...]
    extra: Mapping[str, tuple[File, ...]]

    def of_kind(self, kind: str, dataset: str = "") -> list[File]:
        """Return the files of a kind of ``queries.json``.

        Parameters
        ----------
        kind : str
            A key of ``files`` in ``data/queries.json``.
        dataset : str
            Name of further derivatives; empty for the main dataset.

        Returns
        -------
        list of File
        """
        return of_kind(self.extra.get(dataset, ()) if dataset else self.main, kind)


@dataclass(frozen=True)
class RunFiles:
    """Files of one run.

    Attributes
    ----------
    bolds : tuple of File
        Series of the run, which differ in resolution only.
    masks : tuple of File
        Masks of the run in the space of the series, of any resolution.
    confounds, outliers, aroma : File or None
    custom : Path or None
    findings : tuple of Finding
        Files that were searched in vain, although the run is usable without them.
    """

    bolds: tuple[File, ...]
    masks: tuple[File, ...]
    confounds: File | None
    outliers: File | None
    aroma: File | None
    custom: Path | None
    findings: tuple[Finding, ...]


def list_session_files(
    root: Path,
    subject: str,
    session: str | None,
    extra_roots: Mapping[str, Path],
    list_folder: ListFiles = list_files,
) -> SessionFiles | None:
    """List the functional files of a session in all datasets.

    Parameters
    ----------
    root : Path
        Root of the main dataset.
    subject : str
        Label without ``sub-``.
    session : str or None
        Label without ``ses-``.
    extra_roots : dict of str to Path
        Roots of further derivatives by name.
    list_folder : callable
        Lists the files of a session in a dataset; the default scans the folder.

    Returns
    -------
    SessionFiles or None
        None if the main dataset has no functional folder for the session.

    Raises
    ------
    InputError
        If a folder cannot be read.
    """
    files = list_folder(root, subject, session)
    if files is None:
        return None
    extra = {
        name: tuple(list_folder(extra_root.absolute(), subject, session) or ())
        for name, extra_root in extra_roots.items()
        if name in (FMRIPREP, "aroma")
    }
    return SessionFiles(root, tuple(files), extra)


def check_places(files: SessionFiles, subject: str, session: str | None, query: Query) -> None:
    """Refuse a session with files that name another participant or session.

    Parameters
    ----------
    files : SessionFiles
    subject : str
        Label of the ``sub-*`` folder.
    session : str or None
        Label of the ``ses-*`` folder.
    query : Query
        Files of other tasks than the query's are ignored.

    Raises
    ------
    InputError
        If there are such files: they make the origin of all other files in the folder doubtful.
    """
    for group in (files.main, *files.extra.values()):
        misplaced = [file.path for file in group if is_misplaced(file.name, subject, session, query)]
        if misplaced:
            reason = describe_misplaced([path.name for path in misplaced], subject, session)
            message = f"{misplaced[0].parent}: {reason}."
            raise InputError(message)


def group_runs(files: SessionFiles, query: Query, *, combine_runs: bool) -> dict[Entities, list[list[File]]]:
    """Group the selected series of a session into results, and each result into runs.

    Parameters
    ----------
    files : SessionFiles
    query : Query
        With the space that `Query.resolve_space` returns.
    combine_runs : bool
        Pool runs across ``dir-``, ``run-`` and ``chunk-``.

    Returns
    -------
    dict of tuple to list of list of File
        Runs by the entities of their result, both sorted. The files of a run differ in resolution only.
    """
    bolds = [file for file in files.main if fits(file.name, query)]
    runs: dict[Entities, list[File]] = {}
    for file in _without_concatenated(bolds, query):
        # Padded with zeros, run 2 sorts before run 10.
        key = tuple((key, value.zfill(6) if key == "run" else value) for key, value in file.measurement)
        runs.setdefault(key, []).append(file)
    pooled_keys = load_table("queries.json")["pooled"] if combine_runs else ()
    results: dict[Entities, list[list[File]]] = {}
    for key in sorted(runs):
        entities = query.output_entities(runs[key][0].series(*pooled_keys))
        results.setdefault(entities, []).append(runs[key])
    return dict(sorted(results.items()))


def _without_concatenated(bolds: Sequence[File], query: Query) -> list[File]:
    """Exclude series that XCP-D concatenated from the runs beside them: each volume counts once."""
    if generator_of(query.desc) != "xcp_d":
        return list(bolds)
    # XCP-D drops both entities from the name of the concatenated series.
    is_single = [bool(file.name.get("run") or file.name.get("dir")) for file in bolds]
    single_runs = [
        set(file.series("run", "dir")) for file, single in zip(bolds, is_single, strict=True) if single
    ]
    return [
        file
        for file, single in zip(bolds, is_single, strict=True)
        if single or set(file.series("run", "dir")) not in single_runs
    ]


def match_run(bolds: Sequence[File], files: SessionFiles, query: Query) -> RunFiles:
    """Find the files of a run.

    Parameters
    ----------
    bolds : sequence of File
        Series of the run; see `group_runs`.
    files : SessionFiles
    query : Query

    Returns
    -------
    RunFiles

    Raises
    ------
    InputError
        If a required file is missing, or two files fit equally well.
    """
    for bold in bolds:
        twins = [file for file in bolds if file.name.get("res") == bold.name.get("res")]
        require_single(twins, "fit equally well as the BOLD series of one run")
    bold = bolds[0]
    is_denoised = query.desc in load_table("queries.json")["made_by"]
    findings: list[Finding] = []
    masks = _match_masks(bold, files)
    if not masks:
        findings.append(_explain_no_mask(bold, files, is_required=not is_denoised))
    outliers = _match_table(bold, files, "outliers", "outliers") if is_denoised else TableMatch(None)
    if is_denoised and not outliers.file and generator_of(query.desc) == "xcp_d":
        findings.append(_explain_no_outliers(bold, outliers))
    # XCP-D removes volumes: then only its motion table has as many rows as the series has volumes.
    confounds = _match_table(bold, files, "motion" if outliers.file else "confounds", "confounds")
    if not confounds.file:
        findings.append(_explain_no_confounds(bold, confounds, is_required=query.needs_confounds))
    return RunFiles(
        bolds=tuple(bolds),
        masks=tuple(masks),
        confounds=confounds.file,
        outliers=outliers.file,
        aroma=_match_table(bold, files, "aroma", "noise components").file,
        custom=find_custom(query.custom, bold, files.root, _series(files)) if query.custom else None,
        findings=tuple(findings),
    )


def _match_masks(bold: File, files: SessionFiles) -> list[File]:
    return match_masks(bold, files.of_kind("mask")) or match_masks(bold, files.of_kind("mask", FMRIPREP))


def _series(files: SessionFiles) -> list[File]:
    return [file for file in files.main if is_series(file.name)]


def _match_table(bold: File, files: SessionFiles, kind: str, title: str) -> TableMatch:
    """Find a table of a run in the main dataset, else in the further derivatives.

    Confounds are those of fMRIPrep first: fMRIPost-AROMA names the series of its components like them.
    """
    extra = "aroma" if kind == "aroma" else FMRIPREP
    datasets = ["", extra] if extra in files.extra else [""]
    matches = [
        match_table(bold, files.of_kind(kind, dataset), _series(files), title)
        for dataset in (reversed(datasets) if kind == "confounds" else datasets)
    ]
    with_file = [match for match in matches if match.file]
    with_reason = [match for match in matches if match.reason]
    return (with_file or with_reason or matches)[0]


def _explain_no_mask(bold: File, files: SessionFiles, *, is_required: bool) -> Finding:
    """Describe the search for a mask; raise if the series is not masked already."""
    name = join_name((*bold.name.entities_without(("desc", "hash")), ("desc", "brain"))) + "_mask.nii.gz"
    similar = sorted(
        {
            file.path.name
            for file in chain(files.main, *files.extra.values())
            if "mask" in file.path.name.lower()
            and file.name.extension in VOLUME
            and set(measurement(file.name)) & _distinctive_entities(bold)
        }
    )
    search = f"no brain mask for {bold.path.name} (masks of that run: {abbreviate(similar) or 'none'})"
    if is_required:
        message = f"{bold.path.parent}: {search}.\nPut {name} there, or re-run fMRIPrep for this participant."
        raise InputError(message)
    return Finding(
        "mask_not_found",
        f"{bold.path.parent}: {search}: voxels that are not 0 count as brain instead. Put {name} there, or "
        "name the fMRIPrep derivatives with -d fmriprep=PATH.",
    )


def _distinctive_entities(bold: File) -> set[tuple[str, str]]:
    """Return the entities that distinguish a run from others of the participant; the task if none does."""
    values = measurement(bold.name)
    return set(values[1:]) or set(values)


def _explain_no_outliers(bold: File, outliers: TableMatch) -> Finding:
    details = f" ({outliers.reason})" if outliers.reason else ""
    return Finding(
        "outliers_not_found",
        f"{bold.path}: no table of outliers of XCP-D{details}: volumes that XCP-D interpolated count as "
        f"measured. Put {join_name(bold.series())}_outliers.tsv beside the series.",
    )


def _explain_no_confounds(bold: File, confounds: TableMatch, *, is_required: bool) -> Finding:
    """Describe the search for a confounds table; raise if the settings require one."""
    problem = confounds.reason or "there is none beside the BOLD"
    name = join_name((*bold.name.entities_without(("space", "res", "desc", "hash")), ("desc", "confounds")))
    if is_required:
        message = (
            f"{bold.path}: no confounds table for this run: {problem}.\nPut {name}_timeseries.tsv there, or "
            "use `nuisance_regressors` none (and no `fd_threshold`) for data that were cleaned already."
        )
        raise InputError(message)
    return Finding(
        "confounds_not_found",
        f"{bold.path}: no confounds table for this run: {problem}. Motion and dummy scans are unknown.",
    )
