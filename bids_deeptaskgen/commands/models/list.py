"""``deeptaskgen models list``: list the installed and the published models."""

import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.card import read_card
from bids_deeptaskgen.models.registry import PublishedModel, published_models
from bids_deeptaskgen.models.store import EMBEDDED, embedded_bundle, models_at_home, models_home
from bids_deeptaskgen.settings.models import ModelsListSettings

_MAX_CHARACTERS = 90
# Wider than any row, so that every model is one line of a pipe.
_PIPE_WIDTH = 1000


class Row(NamedTuple):
    """Row of the table."""

    name: str
    installed: str
    contrasts: str
    licence: str
    description: str


def run(settings: ModelsListSettings) -> int:  # noqa: ARG001 - every command takes its settings
    """List the names of all models, and whether they are installed.

    Parameters
    ----------
    settings : ModelsListSettings

    Returns
    -------
    int
        Exit code 0.
    """
    home, published, installed_names = models_home(), published_models(), models_at_home()
    rows = [
        _card_row(name, home / name) if name in installed_names else _published_row(model)
        for name, model in published.items()
    ]
    rows += [_card_row(name, home / name) for name in installed_names if name not in published]
    rows.append(_card_row(EMBEDDED, embedded_bundle()))
    _print(rows)
    sys.stdout.write(
        f"\nModels are in {home}; {EMBEDDED} is part of the software.\n"
        "`deeptaskgen models fetch NAME` downloads a published model, "
        "`deeptaskgen models info NAME` describes a model.\n"
    )
    return 0


def _print(rows: list[Row]) -> None:
    """Print a table that fits the terminal; in a pipe, print one line per row."""
    from rich.console import Console  # slow, and --help does not use it
    from rich.table import Table

    table = Table(*(name.upper() for name in Row._fields), box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False).print(table)


def _published_row(model: PublishedModel) -> Row:
    counts = " or ".join(str(n_channels) for n_channels in model.contrasts)
    return Row(model.name, "no", counts, model.licence, _short(model.description))


def _card_row(name: str, folder: Path) -> Row:
    try:
        card = read_card(folder / "card.json")
    except UserError:  # a damaged model is a row, so that the other models are listed
        return Row(name, "damaged", "?", "?", "`deeptaskgen models info` explains the problem.")
    return Row(name, "yes", str(len(card.contrasts)), _short(card.licence), _short(card.description))


def _short(text: str) -> str:
    return textwrap.shorten(text, _MAX_CHARACTERS, placeholder=" ...")
