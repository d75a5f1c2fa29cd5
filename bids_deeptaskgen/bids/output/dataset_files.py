"""Files of an output dataset as a whole, which many processes can write at the same time."""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from bids_deeptaskgen.bids.input.derivatives import list_pipelines, read_description
from bids_deeptaskgen.bids.input.input_dataset import InputDataset
from bids_deeptaskgen.bids.input.known_faults import FaultOfInput, methods_sentence
from bids_deeptaskgen.bids.output.edited_files import (
    dataset_link,
    merge_description,
    update_file,
    update_lines,
    warn_changed_links,
)
from bids_deeptaskgen.bids.output.participants_file import update_participants
from bids_deeptaskgen.bids.output.paths import BIDS_VERSION
from bids_deeptaskgen.bids.output.sidecars import describe_model
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.io.atomic import write_json
from bids_deeptaskgen.io.lock import file_lock
from bids_deeptaskgen.models.card import Card
from bids_deeptaskgen.settings.methods import methods_text
from bids_deeptaskgen.settings.option import option_specs
from bids_deeptaskgen.settings.participant import ParticipantSettings

# BIDS requires that this name is part of the folder's name below ``derivatives`` of a raw dataset.
NAME = "deeptaskgen"
DESCRIPTION = "dataset_description.json"
# Architecture in the methods text, for networks and for other models.
_ARCHITECTURE_TEXT = {
    True: "{}; for its attention gates see Oktay et al. 2018",
    False: "{}: each voxel's deviation from the mean measured map of the training participants is a weighted "
    "sum of the deviations of its connectome from their mean connectome (Hoerl and Kennard 1970)",
}


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
    overwrite: bool = False,
    known_faults: Sequence[FaultOfInput] = (),
) -> None:
    """Write the files of a dataset as a whole: description, README, CITATION.md, .bidsignore, tables.

    Many processes can call this at the same time: the files are changed under a lock, and are not written
    again, without a lock, if they have this content. Files that a user has changed are kept, and tables are
    merged; see `update_file`, `update_participants` and `merge_description`.

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
        The raw dataset, whose ``participants.tsv`` is used if the derivatives have none.
    participants : Path, optional
        Table of participants to use instead.
    overwrite : bool
        Whether to replace files and values that a user has changed.
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
    texts = {
        "README": _template("dataset_readme.md").substitute(facts),
        "CITATION.md": _with_cited_references(_template("methods.md").substitute(facts)),
        "descriptions.tsv": _descriptions_table(table["descriptions"]),
    }
    links = {name: dataset_link(root, output_dir) for name, root in located.links.items()}
    description = _description(version, located, card, settings, settings_hash) | {"DatasetLinks": links}
    description["DeepTaskGen"]["KnownFaultsOfInput"] = [fault.to_json() for fault in known_faults]
    if not _is_current(output_dir, texts, description):
        with file_lock(output_dir / DESCRIPTION):
            _update(output_dir, texts, description, overwrite=overwrite)
    update_lines(output_dir / ".bidsignore", table["bidsignore"])
    update_participants(output_dir, located.root, bids_dir, participants, overwrite=overwrite)


def _is_current(output_dir: Path, texts: Mapping[str, str], description: Mapping[str, Any]) -> bool:
    """Return whether the files have their content already, as for most of the runs of an array."""
    try:
        has_texts = all((output_dir / name).read_bytes() == text.encode() for name, text in texts.items())
    except OSError:
        return False
    existing = read_description(output_dir)
    return has_texts and merge_description(existing, description, texts) == existing


def _update(
    output_dir: Path, texts: Mapping[str, str], description: Mapping[str, Any], *, overwrite: bool
) -> None:
    """Write the texts and the description, merged with the existing one."""
    existing = read_description(output_dir)
    warn_changed_links(output_dir, existing, description)
    merged = merge_description(existing, description, texts)
    if not existing:
        # If this process is killed now, the texts of this run are recognised later.
        write_json(output_dir / DESCRIPTION, merged)
    for name, text in texts.items():
        update_file(output_dir, name, text, existing, overwrite=overwrite)
    # Written last, since it holds the hashes by which these texts are recognised later.
    write_json(output_dir / DESCRIPTION, merged)


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


def dataset_model_hash(output_dir: Path) -> str | None:
    """Return the sha256 of the weights of a dataset's maps.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.

    Returns
    -------
    str or None
        None if the folder holds no dataset of bids_deeptaskgen.
    """
    return _model_field(output_dir, "WeightsSha256")


def dataset_model_name(output_dir: Path) -> str | None:
    """Return the name of the model of a dataset's maps.

    Parameters
    ----------
    output_dir : Path
        Root of the dataset.

    Returns
    -------
    str or None
        None if the folder holds no dataset of bids_deeptaskgen.
    """
    return _model_field(output_dir, "Name")


def _model_field(output_dir: Path, field: str) -> str | None:
    try:
        value = read_description(output_dir)["DeepTaskGen"]["Model"][field]
    except (KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None


def _description(
    version: str, located: InputDataset, card: Card, settings: Mapping[str, Any], settings_hash: str
) -> dict[str, Any]:
    return {
        "Name": "Task-contrast maps predicted from resting-state fMRI",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": NAME, "Version": version}, *list_pipelines(located.description)],
        "DatasetLinks": {},
        "HowToAcknowledge": "See CITATION.md.",
        "DeepTaskGen": {
            "SettingsHash": settings_hash,
            "Settings": dict(settings),
            "Model": describe_model(card),
        },
    }


def _descriptions_table(descriptions: Mapping[str, str]) -> str:
    rows = [f"desc-{label}\t{text}" for label, text in descriptions.items()]
    return "\n".join(["desc_id\tdescription", *rows]) + "\n"


def _template(name: str) -> Template:
    return Template(resources.files("bids_deeptaskgen").joinpath("data", name).read_text("utf-8"))


def _with_cited_references(text: str) -> str:
    """Remove the references that the text does not cite by the first author and the year."""
    body, heading, references = text.partition("## References\n")
    words = " ".join(body.split())
    lines = [line for line in references.splitlines(keepends=True) if _is_cited(line, words)]
    return body + heading + "".join(lines)


def _is_cited(line: str, words: str) -> bool:
    entry = re.match(r"- (\S+) .*?\((\d{4})\)\.", line)
    return entry is None or re.search(rf"\b{entry[1]}\b[^.;()]*(?:al\. )?{entry[2]}\b", words) is not None


def _facts(
    version: str,
    description: Mapping[str, Any],
    card: Card,
    settings: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, str]:
    """Return the values of the templates' fields."""
    sentences = methods_sentences(settings)
    generators = ", ".join(
        f"{entry.get('Name', '?')} {entry.get('Version', '')}".strip()
        for entry in list_pipelines(description)
    )
    return {
        "version": version,
        "source": f", preprocessed with {generators} (Esteban et al. 2019)" if generators else "",
        **sentences,
        "calibration": f"\n{sentences['calibration']}" if sentences["calibration"] else "",
        "roi_set": card.roi_set,
        "model": card.name,
        "architecture_class": "network" if card.architecture.is_network else "model",
        "architecture": _ARCHITECTURE_TEXT[card.architecture.is_network].format(card.architecture),
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
        Text for ``cleaning`` of the series, ``pooling`` of runs, ``windows`` of the network, and
        ``calibration`` of the maps.
    """
    options = option_specs(ParticipantSettings)
    sentences = {spec.name: spec.option.methods for spec in options if spec.option.methods}
    return methods_text(sentences, settings)
