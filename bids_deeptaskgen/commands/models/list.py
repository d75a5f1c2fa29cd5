"""The models that are here, and those that can be fetched."""

import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.card import read_card
from bids_deeptaskgen.models.registry import PublishedModel, published_models
from bids_deeptaskgen.models.store import EMBEDDED, embedded_bundle, models_at_home, models_home
from bids_deeptaskgen.settings.models import ModelsListSettings

_WIDEST = 90


class Row(NamedTuple):
    """A line of the table."""

    name: str
    installed: str
    contrasts: str
    licence: str
    description: str


HEAD = Row("NAME", "INSTALLED", "CONTRASTS", "LICENCE", "DESCRIPTION")


def run(settings: ModelsListSettings) -> int:  # noqa: ARG001 - every command takes its settings
    """List all models that can be named, and where they are.

    Parameters
    ----------
    settings : ModelsListSettings

    Returns
    -------
    int
        Exit code 0.
    """
    home, published, here = models_home(), published_models(), models_at_home()
    rows = [_of_card(name, home / name) if name in here else _to_fetch(published[name]) for name in published]
    rows += [_of_card(name, home / name) for name in here if name not in published]
    rows.append(_of_card(EMBEDDED, embedded_bundle()))
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEAD, *rows)
    ]
    where = (
        f"Models are in {home}; {EMBEDDED} comes with the software.\n"
        "`deeptaskgen models fetch NAME` fetches a published one, `deeptaskgen models info NAME` tells more."
    )
    sys.stdout.write("\n".join(lines) + f"\n\n{where}\n")
    return 0


def _to_fetch(model: PublishedModel) -> Row:
    counts = " or ".join(str(n_channels) for n_channels in model.contrasts)
    return Row(model.name, "no", counts, model.licence, _short(model.description))


def _of_card(name: str, folder: Path) -> Row:
    try:
        card = read_card(folder / "card.json")
    except UserError:  # a line of the table: one damaged model must not hide the others
        return Row(name, "damaged", "?", "?", "`deeptaskgen models info` says what is wrong.")
    return Row(name, "yes", str(len(card.contrasts)), _short(card.licence), _short(card.description))


def _short(text: str) -> str:
    return textwrap.shorten(text, _WIDEST, placeholder=" ...")
