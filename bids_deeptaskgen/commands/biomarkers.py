"""``deeptaskgen biomarkers``: predict traits from maps, connectomes and tables."""

import sys
from contextlib import suppress
from pathlib import Path

from bids_deeptaskgen.bids.output.result_files import has_files, work_folder
from bids_deeptaskgen.biomarkers.analysis import analyse
from bids_deeptaskgen.biomarkers.cohort.columns import check_columns, read_tables
from bids_deeptaskgen.biomarkers.cohort.exclusions import exclusion_rows
from bids_deeptaskgen.biomarkers.cohort.problems import make_problem
from bids_deeptaskgen.biomarkers.cohort.selection import gather_cohort
from bids_deeptaskgen.biomarkers.features.reader import Selection
from bids_deeptaskgen.biomarkers.features.sources import find_participants_table, open_features
from bids_deeptaskgen.biomarkers.option_checks import refuse_combat_of_maps, warn_of_idle_options
from bids_deeptaskgen.biomarkers.results.output_files import ANALYSIS, biomarkers_path, replace_results
from bids_deeptaskgen.biomarkers.results.write_results import write_results
from bids_deeptaskgen.errors import UserError, quantity
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings


def run(settings: BiomarkersSettings) -> int:
    """Predict traits with cross-validation, and write tables, figures and the report.

    Parameters
    ----------
    settings : BiomarkersSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    InputError
        If participants, columns, folds or features cannot be used.
    UserError
        If OUT is not empty or cannot be written, or a source, table or column does not exist.
    """
    out = settings.out
    if has_files(out) and not settings.overwrite:
        message = f"{out}: is not empty.\nChoose another OUT, or replace its content with --overwrite."
        raise UserError(message)
    is_created = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # a file system that has no new folders, such as /proc
        message = f"{out}: the folder cannot be created.\nChoose another OUT."
        raise UserError(message) from error
    try:
        # A failed analysis leaves OUT as it was: complete results replace those of an earlier analysis.
        with work_folder(out, ANALYSIS) as folder:
            summary = _write_results(folder / "results", settings, folder)
            replace_results(folder / "results", out)
    except BaseException:
        if is_created:
            with suppress(OSError):
                out.rmdir()
        raise
    sys.stdout.write(f"{summary}\nTables: {out}\nReport: {biomarkers_path(out, 'page')}\n")
    return 0


def _write_results(out: Path, settings: BiomarkersSettings, scratch: Path) -> str:
    """Predict all targets and write all results to a folder; return a summary."""
    selection = Selection(
        settings.participant_label, settings.exclude_participant_label, settings.session_label
    )
    sources = [table for source in settings.features if (table := find_participants_table(source))]
    tables = read_tables(settings, sources)
    check_columns(settings, tables)
    columns = (settings.leave_one_site_out, settings.combat, settings.family_column)
    not_features = (*settings.target, *settings.confounds, *(name for name in columns if name))
    readers = [open_features(source, selection, scratch, not_features) for source in settings.features]
    refuse_combat_of_maps(settings, readers)
    cohort = gather_cohort(
        settings,
        {reader.name: reader.participants for reader in readers},
        tables,
        {reader.name: reader.reasons for reader in readers},
    )
    problems, exclusions = [], []
    for name in settings.target:
        problem, excluded = make_problem(settings, cohort, name)
        problems.append(problem)
        exclusions += excluded
    warn_of_idle_options(settings, problems, readers)
    results = analyse(settings, problems, cohort, readers)
    notes = {f"Notes on {reader.name}": "; ".join(reader.notes) for reader in readers if reader.notes}
    write_results(out, results, settings, exclusion_rows(exclusions), notes)
    return (
        f"{quantity(len(problems), 'target')}, {quantity(len(readers), 'set of features')}, "
        f"{quantity(len(cohort.participants), 'participant')} with all features."
    )
