"""The files that belong to an output dataset as a whole: safe to be written by many processes at once."""

import logging
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from bids_deeptaskgen.bids.input.derivatives import pipelines, read_description
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.output.sidecars import model_entry
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.io.atomic import write_bytes, write_json, write_text
from bids_deeptaskgen.io.tsv import write_tsv
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.settings.methods import methods_text
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings

logger = logging.getLogger("bids_deeptaskgen")

NAME = "bids_deeptaskgen"
BIDS_VERSION = "1.10.0"


def write_dataset_files(
    output_dir: Path,
    *,
    version: str,
    located: InputDataset,
    card: Card,
    settings: Mapping[str, Any],
    settings_hash: str,
    versions: Mapping[str, str],
    bids_dir: Path | None = None,
    participants: Path | None = None,
) -> None:
    """Write what describes the dataset: description, README, CITATION.md, .bidsignore, tables.

    Whatever is there with the same bytes is left alone, so that many processes may call this at once.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset; made if needed.
    version : str
        Of this software.
    located : Located
        The input datasets.
    card : Card
        Of the model.
    settings : dict
        The science settings; JSON values.
    settings_hash : str
        Of the settings and the weights; see `dataset_settings_hash`.
    versions : dict of str to str
        Libraries that the numbers depend on.
    bids_dir : Path, optional
        The raw dataset, if the user named it: its ``participants.tsv`` is copied where the derivatives have
        none.
    participants : Path, optional
        Table that the user named, which is copied in place of these.

    Raises
    ------
    UserError
        If that table is not there or is none of participants.
    """
    table = load_table("outputs.json")
    facts = _facts(version, located.description, card, settings, versions)
    described = _description(version, located, card, settings, settings_hash)
    write_json(output_dir / "dataset_description.json", described)
    write_text(output_dir / "README", _template("dataset_readme.md").substitute(facts))
    write_text(output_dir / "CITATION.md", _template("methods.md").substitute(facts))
    write_text(output_dir / ".bidsignore", "\n".join(table["bidsignore"]) + "\n")
    descriptions: dict[str, str] = table["descriptions"]
    columns = {"desc_id": [f"desc-{label}" for label in descriptions]}
    write_tsv(output_dir / "descriptions.tsv", columns | {"description": list(descriptions.values())})
    if participants:
        write_bytes(output_dir / "participants.tsv", _checked_participants(participants))
    else:
        _copy_participants(output_dir, located.root, bids_dir)


def dataset_settings_hash(output_dir: Path) -> str | None:
    """Tell with which settings and weights the maps of a dataset were made.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.

    Returns
    -------
    str or None
        What `write_dataset_files` was given; None where there is no dataset of ours.
    """
    own = read_description(output_dir).get("DeepTaskGen")
    value = own.get("SettingsHash") if isinstance(own, dict) else None
    return value if isinstance(value, str) else None


def _description(
    version: str, located: InputDataset, card: Card, settings: Mapping[str, Any], settings_hash: str
) -> dict[str, Any]:
    return {
        "Name": "Task-contrast maps predicted from resting-state fMRI",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": NAME, "Version": version}, *pipelines(located.description)],
        "DatasetLinks": {name: root.as_uri() for name, root in located.links.items()},
        "HowToAcknowledge": "See CITATION.md.",
        "DeepTaskGen": {
            "SettingsHash": settings_hash,
            "Settings": dict(settings),
            "Model": model_entry(card),
        },
    }


def _template(name: str) -> Template:
    return Template(resources.files("bids_deeptaskgen").joinpath("data", name).read_text("utf-8"))


def _facts(
    version: str,
    description: Mapping[str, Any],
    card: Card,
    settings: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, str]:
    """Fill the templates' fields."""
    made_by = ", ".join(
        f"{one.get('Name', '?')} {one.get('Version', '')}".strip() for one in pipelines(description)
    )
    return {
        "version": version,
        "source": f", preprocessed with {made_by} (Esteban et al. 2019)" if made_by else "",
        **methods_sentences(settings),
        "roi_set": card.roi_set,
        "model": card.name,
        "architecture": str(card.architecture),
        "weights": str(card.sha256.get("weights.safetensors", "unknown")),
        "n_contrasts": str(len(card.contrasts)),
        "notice": "" if card.for_science else f"\n**{card.notice}**\n",
        "training": card.training,
        "licence": card.licence,
        "citation": card.citation,
        "software": "\n".join(f"- {name} {number}" for name, number in sorted(versions.items())),
    }


def methods_sentences(settings: Mapping[str, Any]) -> dict[str, str]:
    """Write in words what the science settings of the participant level did.

    Parameters
    ----------
    settings : dict
        As `science_settings` lists them.

    Returns
    -------
    dict of str to str
        ``cleaning``: what was removed from the series; ``pooling`` of runs; ``windows`` of the network.
    """
    options = option_specs(ParticipantSettings)
    sentences = {one.name: one.option.methods for one in options if one.option.methods}
    return methods_text(sentences, settings)


def _checked_participants(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as reason:
        message = f"--participants-tsv {path}: can't be read ({reason.strerror})."
        raise UserError(message) from reason
    columns = content.partition(b"\n")[0].decode("utf-8-sig", "replace").strip().split("\t")
    if "participant_id" not in columns:
        message = (
            f"--participants-tsv {path}: has no column participant_id (columns: {', '.join(columns)[:200]}); "
            "a table with tabs between its columns is wanted."
        )
        raise UserError(message)
    return content


def _copy_participants(output_dir: Path, derivatives: Path, bids_dir: Path | None) -> None:
    """Copy ``participants.tsv``, and the JSON that explains it, so that the group level has its design."""
    places = [derivatives, *([bids_dir] if bids_dir else [])]
    if derivatives.parent.name == "derivatives":
        places.append(derivatives.parent.parent)
    for place in places:
        source = place / "participants.tsv"
        if source.is_file():
            for path in (source, source.with_suffix(".json")):
                if path.is_file():
                    write_bytes(output_dir / path.name, path.read_bytes())
            logger.info("participants.tsv is copied from %s", place)
            return
