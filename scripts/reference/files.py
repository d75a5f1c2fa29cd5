"""All generated pages of docs/reference."""

from pathlib import Path

from scripts.reference.command_line import command_pages, overview_page
from scripts.reference.known_faults import known_faults_page
from scripts.reference.outputs import outputs_page
from scripts.reference.qc_metrics import qc_metrics_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def reference_files() -> dict[str, str]:
    """Return the text of each page.

    Returns
    -------
    dict of str to str
        Text by path in docs/reference.
    """
    return {
        "command_line.md": overview_page(),
        **{f"commands/{name}.md": text for name, text in command_pages().items()},
        "outputs.md": outputs_page(),
        "qc_metrics.md": qc_metrics_page(),
        "known_faults.md": known_faults_page(),
    }
