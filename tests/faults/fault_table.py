"""Table of all faults of a test session: each test adds its faults, the end of the session counts them.

With ``pytest -n``, the tests run in other processes than the summary: the faults are properties of reports.
"""

from collections import Counter
from pathlib import Path

PROPERTY = "fault"
COLUMNS = ("command", "fault", "moment", "exit_code", "n_kept", "n_lost", "category", "outcome")
# What happens during a run; what a machine lacks, before the run starts; a run that ends before it has
# written anything.
FAULT, CONDITION, NOTHING_WRITTEN = CATEGORIES = "faults", "conditions", "ended before anything was written"
TABLE = Path(__file__).parents[2] / "test-results" / "faults.tsv"
PASSED = "same bytes"


class FaultRecorder:
    """Faults of a test.

    Parameters
    ----------
    item : pytest.Item
        The test.
    """

    def __init__(self, item):
        self._item = item

    def add(
        self,
        command,
        fault,
        moment="",
        *,
        exit_code="",
        n_kept="",
        n_lost=0,
        category=FAULT,
        has_written=True,
    ):
        """Add a fault, and assert that no file was lost.

        Parameters
        ----------
        command : str
            Name of the case.
        fault : str
            Kind of fault, e.g. SIGKILL.
        moment : str
            When, or how much, e.g. ``30% of 2.1 MB``.
        exit_code : int, optional
            Of the run that had the fault.
        n_kept : int, optional
            Complete files under their final names after it.
        n_lost : int
            Files that were complete before the fault and are not after it.
        category : str
            One of `CATEGORIES`.
        has_written : bool
            Whether the run had changed any file.
        """
        category = category if has_written else NOTHING_WRITTEN
        cells = [command, fault, moment, exit_code, n_kept, n_lost, category]
        self._item.user_properties.append((PROPERTY, [str(cell) for cell in cells]))
        assert not n_lost, f"{command}, {fault} {moment}: {n_lost} complete files are lost"


def pytest_terminal_summary(terminalreporter):
    """Write the table of faults, and print the number of each kind for each command."""
    rows = [
        [*value, PASSED if report.passed else "failed"]
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if not rows:
        return
    TABLE.parent.mkdir(exist_ok=True)
    rows.sort(key=lambda row: row[:2])
    TABLE.write_text("".join("\t".join(row) + "\n" for row in [COLUMNS, *rows]), "utf-8")
    counts = Counter(row[6] for row in rows)
    numbers = ", ".join(f"{counts[category]} {category}" for category in CATEGORIES)
    terminalreporter.section(f"{numbers}; all are in {TABLE}")
    for category in CATEGORIES:
        if members := [row for row in rows if row[6] == category]:
            terminalreporter.write_line(f"{category}:")
            for line in summary_lines(members):
                terminalreporter.write_line(line)


def summary_lines(rows):
    """Return lines of a table: a row for each command, a column for each kind of fault.

    Parameters
    ----------
    rows : sequence of sequence of str
        Cells of `COLUMNS`.
    """
    counts = Counter((row[0], row[1]) for row in rows)
    kinds = sorted({row[1] for row in rows})
    cells = [["command", *kinds, "all", "failed", "lost files"]]
    for command in [*sorted({row[0] for row in rows}), "all"]:
        ours = [row for row in rows if command in (row[0], "all")]
        numbers = [
            sum(counts[row] for row in counts if row[1] == kind and command in (row[0], "all"))
            for kind in kinds
        ]
        failed = sum(row[-1] != PASSED for row in ours)
        lost = sum(int(row[5]) for row in ours)
        cells.append([command, *map(str, [*numbers, len(ours), failed, lost])])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
