"""Files of an output dataset as a whole, which many processes can write at the same time."""

import logging
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from bids_deeptaskgen.bids.input.derivatives import list_pipelines, read_description
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.known_faults import FaultOfInput, methods_sentence
from bids_deeptaskgen.bids.output.sidecars import describe_model
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
    known_faults: Sequence[FaultOfInput] = (),
) -> None:
    """Write the files of a dataset as a whole: description, README, CITATION.md, .bidsignore, tables.

    Files with the same content are not written again, so that many processes can call this at the same time.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset; created if needed.
    version : str
        Version of bids_deeptaskgen.
    located : InputDataset
        The input datasets.
    card : Card
        Card of the model.
    settings : dict
        Settings that affect the maps; JSON values.
    settings_hash : str
        Hash of the settings and the weights; see `dataset_settings_hash`.
    versions : dict of str to str
        Versions of the libraries that affect the numbers, by name.
    bids_dir : Path, optional
        The raw dataset, whose ``participants.tsv`` is copied if the derivatives have none.
    participants : Path, optional
        Table of participants to copy instead.
    known_faults : sequence of FaultOfInput
        Known faults of the releases that wrote the input.

    Raises
    ------
    UserError
        If `participants` cannot be read or has no column ``participant_id``.
    """
    table = load_table("outputs.json")
    facts = _facts(version, located.description, card, settings, versions)
    facts["known_faults"] = methods_sentence(known_faults)
    description = _description(version, located, card, settings, settings_hash)
    description["DeepTaskGen"]["KnownFaultsOfInput"] = [fault.to_json() for fault in known_faults]
    write_json(output_dir / "dataset_description.json", description)
    write_text(output_dir / "README", _template("dataset_readme.md").substitute(facts))
    write_text(output_dir / "CITATION.md", _template("methods.md").substitute(facts))
    write_text(output_dir / ".bidsignore", "\n".join(table["bidsignore"]) + "\n")
    descriptions: dict[str, str] = table["descriptions"]
    columns = {"desc_id": [f"desc-{label}" for label in descriptions]}
    write_tsv(output_dir / "descriptions.tsv", columns | {"description": list(descriptions.values())})
    if participants:
        write_bytes(output_dir / "participants.tsv", _read_participants(participants))
    else:
        _copy_participants(output_dir, located.root, bids_dir)


def dataset_settings_hash(output_dir: Path) -> str | None:
    """Return the hash of the settings and weights of a dataset's maps.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.

    Returns
    -------
    str or None
        As passed to `write_dataset_files`; None if the folder holds no dataset of bids_deeptaskgen.
    """
    content = read_description(output_dir).get("DeepTaskGen")
    value = content.get("SettingsHash") if isinstance(content, dict) else None
    return value if isinstance(value, str) else None


def _description(
    version: str, located: InputDataset, card: Card, settings: Mapping[str, Any], settings_hash: str
) -> dict[str, Any]:
    return {
        "Name": "Task-contrast maps predicted from resting-state fMRI",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": NAME, "Version": version}, *list_pipelines(located.description)],
        "DatasetLinks": {name: root.as_uri() for name, root in located.links.items()},
        "HowToAcknowledge": "See CITATION.md.",
        "DeepTaskGen": {
            "SettingsHash": settings_hash,
            "Settings": dict(settings),
            "Model": describe_model(card),
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
    """Return the values of the templates' fields."""
    generators = ", ".join(
        f"{entry.get('Name', '?')} {entry.get('Version', '')}".strip()
        for entry in list_pipelines(description)
    )
    return {
        "version": version,
        "source": f", preprocessed with {generators} (Esteban et al. 2019)" if generators else "",
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
    """Format the settings of the participant level as sentences for a methods section.

    Parameters
    ----------
    settings : dict
        As returned by `science_settings`.

    Returns
    -------
    dict of str to str
        Text for ``cleaning`` of the series, ``pooling`` of runs, and ``windows`` of the network.
    """
    options = option_specs(ParticipantSettings)
    sentences = {spec.name: spec.option.methods for spec in options if spec.option.methods}
    return methods_text(sentences, settings)


def _read_participants(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as reason:
        message = f"`participants_tsv` {path}: can't be read ({reason.strerror}). Correct the path."
        raise UserError(message) from reason
    columns = content.partition(b"\n")[0].decode("utf-8-sig", "replace").strip().split("\t")
    if "participant_id" not in columns:
        message = (
            f"`participants_tsv` {path}: has no column participant_id (columns: {', '.join(columns)[:200]}). "
            "Name a table with tabs between its columns."
        )
        raise UserError(message)
    return content


def _copy_participants(output_dir: Path, derivatives: Path, bids_dir: Path | None) -> None:
    """Copy ``participants.tsv`` and its sidecar, which the group level needs for its design."""
    roots = [derivatives, *([bids_dir] if bids_dir else [])]
    if derivatives.parent.name == "derivatives":
        roots.append(derivatives.parent.parent)
    for root in roots:
        source = root / "participants.tsv"
        if source.is_file():
            for path in (source, source.with_suffix(".json")):
                if path.is_file():
                    write_bytes(output_dir / path.name, path.read_bytes())
            logger.info("participants.tsv is copied from %s", root)
            return
