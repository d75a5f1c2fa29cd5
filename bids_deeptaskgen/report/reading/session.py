"""Part of a page about one session."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bids_deeptaskgen.connectome.data_checks.measurement import read_flag
from bids_deeptaskgen.connectome.qc_verdicts import MetricVerdict, judge_metrics
from bids_deeptaskgen.connectome.series_preview import RunPreview
from bids_deeptaskgen.report.participant_content import (
    ConnectomeContent,
    PageWarning,
    QcRow,
    RunContent,
    SessionContent,
)
from bids_deeptaskgen.report.reading.connectome import read_connectome, read_roi_coverage
from bids_deeptaskgen.report.reading.maps import read_maps
from bids_deeptaskgen.report.reading.measures import agreement_measures, typicality_measures
from bids_deeptaskgen.report.reading.sources import SessionSources
from bids_deeptaskgen.report.reading.words import dropped_volumes, duration, number, unit_words

# Keys of a completion record that are no metrics.
_NO_METRICS = {"Description", "Flags", "SeriesHashes", "DeepTaskGen"}


def read_session(sources: SessionSources, *, has_maps: bool, is_earlier: bool = False) -> SessionContent:
    """Read the part of a page about one session.

    Parameters
    ----------
    sources : SessionSources
    has_maps : bool
        Whether the page shows connectome and maps.
    is_earlier : bool
        Whether the maps are of an earlier run and the most recent one failed.

    Returns
    -------
    SessionContent
    """
    verdicts = judge_metrics(metrics_of(sources.record))
    images = sources.images
    connectome: ConnectomeContent | None = read_connectome(sources) if has_maps else None
    return SessionContent(
        name=sources.name,
        facts=_facts(sources, is_earlier=is_earlier),
        warnings=_warnings(sources, verdicts),
        qc=[_qc_row(verdict) for verdict in verdicts],
        runs=_runs(sources),
        tsnr=images.tsnr if images and images.tsnr_limit else None,
        tsnr_limit=0.0 if images is None else images.tsnr_limit,
        tsnr_remark="n/a, because the mean was removed" if images and not images.tsnr_limit else "",
        roi_coverage=read_roi_coverage(sources),
        connectome=connectome,
        maps=read_maps(sources) if has_maps else (),
        typicality=typicality_measures(sources),
        agreement_measures=agreement_measures(sources),
        images_note=_images_note(sources),
    )


def metrics_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Select the metrics of a completion record.

    Parameters
    ----------
    record : dict

    Returns
    -------
    dict
    """
    return {
        name: value
        for name, value in record.items()
        if name not in _NO_METRICS and not isinstance(value, (dict, str))
    }


def _images_note(sources: SessionSources) -> str:
    """Explain why the images of the series are missing, and what to do; empty if they exist."""
    if sources.images is not None:
        return ""
    path = sources.path("report_data")
    name = path.relative_to(sources.output_dir).as_posix()
    reason = "cannot be read" if path.is_file() else "does not exist, as after a run with --reports none"
    return (
        "Framewise displacement, carpet plot, mean image with the mask, temporal signal-to-noise ratio and "
        f"the correlation maps of ROIs are not shown: {name} {reason}. To add them, run the participant "
        "again with --overwrite --reports full."
    )


def _facts(sources: SessionSources, *, is_earlier: bool) -> dict[str, str]:
    record, computation = sources.record, sources.provenance.get("Computed", {})
    facts = {
        "State": "maps of an earlier run; the most recent run failed" if is_earlier else _state(record),
        "Maps": f"{len(sources.result.maps.contrasts)}",
        "Volumes used": f"{number(record.get('n_volumes_kept'))} of {number(record.get('n_volumes'))}",
        "Volumes dropped": _dropped(sources),
        "Minutes used": number(record.get("minutes_kept")),
        "Residual degrees of freedom": number(record.get("n_residual_dof")),
        "Windows per run": number(computation.get("WindowsPerRun")),
        "Predictions": number(computation.get("Predictions")),
        "Device": f"{computation.get('Device', 'n/a')}, {computation.get('Precision', 'n/a')}",
    }
    if seconds := sources.run_facts.get("Seconds"):
        parts = ", ".join(f"{name} {duration(value)}" for name, value in seconds.items())
        facts["Duration"] = f"{duration(sum(seconds.values()))} ({parts})"
    if finished := sources.run_facts.get("Finished"):
        facts["Finished"] = str(finished)
    return facts


def _state(record: Mapping[str, Any]) -> str:
    """Describe how the run ended: a completion record exists only if all maps are written."""
    names = [str(flag["Name"]) for flag in record.get("Flags", ())]
    state = f"finished with flags ({', '.join(names)})" if names else "finished"
    return f"{state}: all maps are written"


def _dropped(sources: SessionSources) -> str:
    """Describe the volumes that were not used, by cause; run by run if there are several."""
    runs = sources.provenance.get("Runs", ())
    names = [content.name for content in _runs(sources)]
    texts = [dropped_volumes(run) for run in runs]
    if len(texts) == 1:
        return texts[0]
    return "\n".join(f"{name}: {text}" for name, text in zip(names, texts, strict=True)) or "n/a"


def _warnings(sources: SessionSources, verdicts: Sequence[MetricVerdict]) -> list[PageWarning]:
    """Collect the flags of the data, the verdicts and the known faults of the input, the worst first."""
    verdict_of = {verdict.name: verdict.verdict for verdict in verdicts}
    warnings: list[PageWarning] = []
    flagged: set[str | None] = set()
    for flag in sources.record.get("Flags", ()):
        message = str(flag.get("Message") or flag.get("Name", "unknown flag"))
        try:
            entry = read_flag(str(flag.get("Name")))
        except KeyError:  # written by another version
            warnings.append(PageWarning("warn", message))
            continue
        flagged.add(entry.metric)
        level = "fail" if verdict_of.get(entry.metric or "") == "fail" else "warn"
        warnings.append(PageWarning(level, message, entry.meaning, entry.action))
    for verdict in verdicts:
        if verdict.verdict in ("warn", "fail") and verdict.name not in flagged:
            unit = unit_words(verdict.value, verdict.unit)
            message = verdict.message or f"{verdict.title}: {number(verdict.value)} {unit}".strip()
            warnings.append(PageWarning(verdict.verdict, message, action=verdict.action))
    warnings += [_fault_warning(fault) for fault in sources.provenance.get("KnownFaultsOfInput", ())]
    return sorted(warnings, key=lambda warning: warning.level != "fail")


def _fault_warning(fault: Mapping[str, Any]) -> PageWarning:
    """Describe a known fault of the release that wrote the input."""
    release = " ".join(str(fault[key]) for key in ("Pipeline", "Version") if fault.get(key))
    return PageWarning(
        "warn",
        f"The input was written by {release}, which has a known fault: {fault.get('Fault', '')}",
        meaning=str(fault.get("Consequence", "")),
    )


def _qc_row(verdict: MetricVerdict) -> QcRow:
    return QcRow(
        name=verdict.name,
        title=verdict.title,
        value=verdict.value,
        unit=unit_words(verdict.value, verdict.unit),
        verdict=verdict.verdict,
        limits=verdict.limits,
        description=verdict.description,
        source=verdict.source,
    )


def _runs(sources: SessionSources) -> list[RunContent]:
    """Join the facts of the runs in the sidecar with their previews."""
    facts = sources.provenance.get("Runs", ())
    previews = sources.images.runs if sources.images else ()
    threshold = float(sources.provenance.get("Settings", {}).get("fd_threshold") or 0.0)
    runs: list[RunContent] = []
    for index, run in enumerate(facts):
        preview = previews[index] if index < len(previews) else None
        content = RunContent(
            name=preview.name if preview else f"run {index + 1}",
            sources=sources.inputs if len(facts) == 1 else (),
            facts=_run_facts(run),
            t_r=float(run["t_r"]),
            fd_threshold_mm=threshold,
        )
        runs.append(content if preview is None else _with_preview(content, preview))
    return runs


def _with_preview(content: RunContent, preview: RunPreview) -> RunContent:
    return replace(
        content,
        fd_mm=preview.fd_mm,
        dvars=preview.dvars,
        is_kept=preview.is_kept,
        n_dummies=int(preview.is_dummy.sum()),
        carpet=preview.carpet,
        carpet_groups=preview.carpet_groups,
        mean=preview.mean,
        mask=preview.mask,
        is_demeaned=preview.is_demeaned,
    )


def _run_facts(run: Mapping[str, Any]) -> dict[str, str]:
    names = list(run.get("regressors", ()))
    sizes = " x ".join(number(float(size)) for size in run.get("voxel_sizes_mm", ()))
    facts = {
        "Volumes": f"{run['n_volumes']}, of which {run['n_volumes_kept']} are used",
        "Volumes dropped": dropped_volumes(run),
        "Repetition time": f"{number(run['t_r'], 4)} s",
        "Minutes used": number(run["n_volumes_kept"] * run["t_r"] / 60),
        "Residual degrees of freedom": number(run.get("n_residual_dof")),
        "Regressors": f"{len(names)}: {', '.join(names)}" if names else "none",
        "Voxel size": f"{sizes} mm" if sizes else "n/a",
        "Resampled": "yes, to the grid of the model" if run.get("resampled") else "no",
    }
    if run.get("denoised_by"):
        facts["Denoised by"] = str(run["denoised_by"])
    if run.get("warped_with"):
        facts["Warped with"] = str(run["warped_with"])
    return facts
