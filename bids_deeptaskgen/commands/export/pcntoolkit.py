"""``deeptaskgen export pcntoolkit``: write a table for normative models."""

import sys

from bids_deeptaskgen.cohort_store.exports.normative_files import normative_files, write_normative_table
from bids_deeptaskgen.cohort_store.exports.normative_table import make_normative_table, warn_of_limits
from bids_deeptaskgen.errors import quantity
from bids_deeptaskgen.settings.export import ExportPcntoolkitSettings


def run(settings: ExportPcntoolkitSettings) -> int:
    """Write a table for PCNtoolkit, and print the lines that load it.

    Parameters
    ----------
    settings : ExportPcntoolkitSettings

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    InputError
        If a table cannot be read or joined, or nothing remains.
    UserError
        If a column, contrast or region does not exist, or a file exists.
    """
    files = normative_files(settings.out, overwrite=settings.overwrite)
    table = make_normative_table(settings)
    script = write_normative_table(files, table)
    warn_of_limits(table)
    sys.stdout.write(
        f"{files.table}: {quantity(len(table.observations), 'row')}, "
        f"{quantity(len(table.variables), 'variable')}; left out: "
        f"{quantity(len(table.exclusions), 'row')}, {quantity(len(table.variables_left_out), 'variable')}\n"
        f"{files.variables}: contrast and region of each variable\n"
        f"{files.exclusions}: rows that are left out, and why\n"
        f"{files.script}: loads the table:\n\n{script}"
    )
    return 0
