"""Content of a participant's page, read from the output dataset."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.dataset_files import methods_sentences
from bids_deeptaskgen.bids.output.recorded_failures import covers
from bids_deeptaskgen.bids.output.results import Result
from bids_deeptaskgen.data import load_table
from bids_deeptaskgen.errors import raise_disk_error
from bids_deeptaskgen.report.participant_content import ParticipantContent
from bids_deeptaskgen.report.reading.session import read_session
from bids_deeptaskgen.report.reading.session_agreement import SetAgreement, describe_agreement
from bids_deeptaskgen.report.reading.sources import SessionSources, read_sources
from bids_deeptaskgen.report.reading.words import flatten_settings


def read_participant(
    output_dir: Path,
    subject: str,
    results: Sequence[Result],
    failures: Mapping[str, str],
    *,
    agreement: SetAgreement | None = None,
    has_maps: bool = True,
    failures_with_maps: Collection[str] = (),
    digest: str = "",
) -> ParticipantContent:
    """Read the content of a page.

    Parameters
    ----------
    output_dir : Path
        Root of the output dataset.
    subject : str
        Label without ``sub-``.
    results : sequence of Result
        Sets of maps on the page.
    failures : dict of str to str
        Reason by name of each session that failed.
    agreement : SetAgreement or None
        Of all sets of maps of the participant, also of those on other pages.
    has_maps : bool
        Whether the page shows connectome and maps.
    failures_with_maps : collection of str
        Names among `failures` of sessions whose maps of an earlier run exist.
    digest : str
        Hash of the content, see `report.pages.content_digest`.

    Returns
    -------
    ParticipantContent

    Raises
    ------
    InputError
        If a file of the output dataset cannot be read.
    """
    sources = [read_sources(output_dir, result) for result in results]
    measures, by_contrast = describe_agreement(agreement, [item.name for item in sources])
    provenance = sources[0].provenance if sources else {}
    are_earlier = _are_earlier(subject, sources, failures_with_maps)
    return ParticipantContent(
        title=f"sub-{subject}: task-contrast maps predicted from resting-state fMRI",
        participant=f"sub-{subject}",
        kind="full" if has_maps else "qc",
        notice=str(provenance.get("Notice", "")),
        facts=_facts(sources),
        sessions=[
            read_session(item, has_maps=has_maps, is_earlier=is_earlier)
            for item, is_earlier in zip(sources, are_earlier, strict=True)
        ],
        failures=failures,
        failures_with_maps=failures_with_maps,
        digest=digest,
        session_agreement=measures,
        session_agreement_by_contrast=by_contrast,
        set_kind=agreement.kind if agreement else "session",
        methods=_methods(output_dir) if sources else "",
        provenance=_provenance(sources),
    )


def _are_earlier(subject: str, sources: Sequence[SessionSources], failures: Collection[str]) -> list[bool]:
    """Return for each session whether the most recent run failed, so that its maps are of an earlier one."""
    names = [f"sub-{subject} {item.name}" for item in sources]
    return [any(covers(failure, name) for failure in failures) for name in names]


def _facts(sources: Sequence[SessionSources]) -> dict[str, str]:
    """Describe the model and the input of the first session; all sessions share them."""
    if not sources:
        return {}
    provenance = sources[0].provenance
    model = provenance.get("Model", {})
    settings = provenance.get("Settings", {})
    facts = {
        "Model": str(model.get("Name", "n/a")),
        **({"Architecture": str(model["Architecture"])} if "Architecture" in model else {}),
        "Version of the model": f"{model.get('WeightsSha256', 'n/a')} (version = sha256 of the weights)",
        "Licence of the model": str(model.get("Licence", "n/a")),
        "Training data": str(model.get("TrainingData", "n/a")),
        "ROI maps": str(model.get("RoiSet", "n/a")),
        "Calibrated": "yes" if settings.get("calibrated") else "no",
        "Cleaning": describe_cleaning(settings),
    }
    for item in sources:
        name = "Input files" if len(sources) == 1 else f"Input files of {item.name}"
        facts[name] = "\n".join(item.inputs)
    return facts


def describe_cleaning(settings: Mapping[str, Any]) -> str:
    """Describe the cleaning of the series in the sentences of the methods text.

    Parameters
    ----------
    settings : dict
        From a sidecar.

    Returns
    -------
    str
        ``n/a`` for settings of another version that lack an option.
    """
    try:
        sentences = methods_sentences(settings)
    except (KeyError, TypeError, ValueError):
        return "n/a"
    sections = (sentences[name] for name in ("cleaning", "pooling", "windows"))
    return " ".join(" ".join(text.split()) for text in sections if text)


def _methods(output_dir: Path) -> str:
    """Read the methods text of the dataset."""
    path = output_dir / "CITATION.md"
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise_disk_error(error, path)
        return str(load_table("report/measures.json")["no_methods"])


def _provenance(sources: Sequence[SessionSources]) -> dict[str, str]:
    """Describe versions, settings, hashes and the command line."""
    if not sources:
        return {"Settings and versions": "in the files of the run in the folder logs of the output"}
    provenance = sources[0].provenance
    run_facts = next((item.run_facts for item in sources if item.run_facts), {})
    model = provenance.get("Model", {})
    rows = {
        "Command line": str(run_facts.get("CommandLine", "not stored")),
        "Settings hash": str(provenance.get("SettingsHash", "n/a")),
        "sha256 of the weights": str(model.get("WeightsSha256", "n/a")),
    }
    versions = provenance.get("Computed", {}).get("Versions", {})
    rows |= {f"Version of {name}": str(value) for name, value in versions.items()}
    settings = flatten_settings(provenance.get("Settings", {}))
    return rows | {f"Setting {name}": value for name, value in settings.items()}
