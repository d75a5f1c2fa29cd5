"""Selection of the maps of a group: participants, and sets of maps that may be averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.bids.output.contrast_entries import contrast_of
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.bids.output.results import Result, ResultFault, read_dataset
from bids_deeptaskgen.bids.selection import remaining_labels
from bids_deeptaskgen.errors import InputError, UserError, raise_disk_error
from bids_deeptaskgen.group.group_set import GROUP_FOLDER, GroupSet
from bids_deeptaskgen.io.json_file import read_json
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.models.contrasts import choose_contrasts
from bids_deeptaskgen.settings.group import GroupSettings

# Digits of a settings hash in names; two of a dataset's few settings hardly share them.
N_DIGITS = 8


@dataclass
class Selection:
    """Maps of the selected participants.

    Attributes
    ----------
    sets : sequence of GroupSet
        Sorted by name.
    contrasts : tuple of str
        Labels of the requested contrasts; empty for all.
    faults : list of ResultFault
        Maps that cannot be used; later steps add maps that cannot be read.
    """

    sets: Sequence[GroupSet]
    contrasts: tuple[str, ...] = ()
    faults: list[ResultFault] = field(default_factory=list)

    @property
    def results(self) -> list[Result]:
        """Return the sessions and runs of all sets."""
        return [result for group_set in self.sets for result in group_set.results]


def select_maps(settings: GroupSettings) -> Selection:
    """Read the completion records of a dataset, and divide the maps into sets.

    Maps of different tasks, acquisitions, models or settings are in different sets.

    Parameters
    ----------
    settings : GroupSettings

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If no participant has maps that can be used.
    UserError
        If a requested contrast does not exist, or existing group files include other participants.
    """
    output = settings.output_dir
    results, faults = read_dataset(output, settings.participant_label)
    labels_left = remaining_labels(
        {result.subject for result in results} | {fault.subject for fault in faults},
        settings.exclude_participant_label,
    )
    results = [result for result in results if result.subject in labels_left]
    faults = [fault for fault in faults if fault.subject in labels_left]
    faults += [_without_maps(output, result) for result in results if not result.maps.contrasts]
    results = [result for result in results if result.maps.contrasts]
    if not results:
        raise InputError(explain_nothing(settings, faults))
    contrasts = _requested_contrasts(output, results, settings.contrasts)
    if contrasts:
        results = [result for result in results if set(contrasts) & set(result.maps.contrasts)]
    refuse_loss(settings, results)
    return Selection(divide_into_sets(output, results), contrasts, faults)


def _without_maps(output: Path, result: Result) -> ResultFault:
    """Describe a record of completion that lists no maps."""
    path = result.path(output, "qc_metrics")
    reason = f"{path}: lists no predicted maps. Re-run this participant."
    return ResultFault(result.subject, result.session, (), reason)


def explain_nothing(settings: GroupSettings, faults: Sequence[ResultFault]) -> str:
    """Explain why there is nothing to average.

    Parameters
    ----------
    settings : GroupSettings
    faults : sequence of ResultFault

    Returns
    -------
    str
    """
    labels = f" of {', '.join(settings.participant_label)}" if settings.participant_label else ""
    if not faults:
        return (
            f"{settings.output_dir}: no finished maps{labels} were found.\n"
            "Run the participant level with this OUTPUT_DIR first."
        )
    return (
        f"{settings.output_dir}: none of the maps{labels} can be used, in {len(faults)} sessions or images. "
        f"The first reason: {faults[0].reason}"
    )


def _requested_contrasts(output: Path, results: Sequence[Result], names: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of contrasts that are requested by label, published name or task; empty for all."""
    if not names:
        return ()
    labels = dict.fromkeys(label for result in results for label in result.maps.contrasts)
    available = [contrast_of(output, results, label)[0] for label in labels]
    hint = f"The contrasts of this dataset are {', '.join(labels)}."
    return choose_contrasts(available, names, source="the maps have", hint=hint)


def divide_into_sets(output: Path, results: Sequence[Result]) -> list[GroupSet]:
    """Divide maps into sets with equal entities, model and settings.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result

    Returns
    -------
    list of GroupSet
        Sorted by name. If the dataset has maps of several settings, each of them has a folder.
    """
    hashes = {result.settings_hash for result in results}
    members: dict[tuple[Any, str], list[Result]] = {}
    for result in results:
        members.setdefault((result.series, result.settings_hash), []).append(result)
    sets = []
    for (series, settings_hash), set_results in members.items():
        name = " ".join(f"{key}-{value}" for key, value in series)
        suffix = f"settings-{settings_hash[:N_DIGITS]}"
        sets.append(
            GroupSet(
                name=name if len(hashes) == 1 else f"{name} {suffix}".strip(),
                series=series,
                settings_hash=settings_hash,
                folder=GROUP_FOLDER if len(hashes) == 1 else f"{GROUP_FOLDER}/{suffix}",
                results=tuple(set_results),
                provenance=read_provenance(output, set_results),
            )
        )
    return sorted(sets, key=lambda group_set: group_set.name)


def read_provenance(output: Path, results: Sequence[Result]) -> Mapping[str, Any]:
    """Read the provenance of a set from the first sidecar that can be read.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    results : sequence of Result

    Returns
    -------
    dict
        ``Model``, ``Settings`` and others; empty if no sidecar can be read.
    """
    for result in results:
        try:
            content = read_json(sidecar_path(result.statmap(output, result.maps.contrasts[0])))
        except (InputError, OSError) as error:
            raise_disk_error(error, result.statmap(output, result.maps.contrasts[0]))
            continue
        provenance = content.get("DeepTaskGen")
        if isinstance(provenance, dict):
            return provenance
    return {}


def set_rows(sets: Sequence[GroupSet]) -> list[dict[str, Any]]:
    """Describe the sets of a dataset, one row each.

    Parameters
    ----------
    sets : sequence of GroupSet

    Returns
    -------
    list of dict
        ``set``, ``folder``, ``settings_hash``, ``model``, ``n_participants``, ``n_sessions``, and
        ``settings``: the settings in which the sets differ, None if there are none.
    """
    settings = [dict(group_set.provenance.get("Settings", {})) for group_set in sets]
    names = dict.fromkeys(name for values in settings for name in values)
    differing = [name for name in names if len({str(values.get(name)) for values in settings}) > 1]
    rows = []
    for group_set, values in zip(sets, settings, strict=True):
        words = "; ".join(f"{name} = {values.get(name)}" for name in differing)
        rows.append(
            {
                "set": group_set.name,
                "folder": group_set.folder,
                "settings_hash": group_set.settings_hash,
                "model": group_set.model_name or None,
                "n_participants": len(group_set.participants),
                "n_sessions": len({(result.subject, result.session) for result in group_set.results}),
                "settings": words or None,
            }
        )
    return rows


def refuse_loss(settings: GroupSettings, results: Sequence[Result]) -> None:
    """Refuse to replace group files that include participants other than the selected ones.

    Parameters
    ----------
    settings : GroupSettings
        Without choices of participants, or with ``overwrite``, nothing is refused.
    results : sequence of Result
        Maps of the selected participants.

    Raises
    ------
    UserError
    """
    if settings.overwrite or not (settings.participant_label or settings.exclude_participant_label):
        return
    pattern = output_path(settings.output_dir, "group_metrics", entities=[("task", "*")])
    tables = [*pattern.parent.glob(pattern.name), *pattern.parent.glob(f"settings-*/{pattern.name}")]
    participants = {row.get("participant_id", "") for path in tables for row in read_tsv(path)}
    foreign_labels = sorted(participants - {f"sub-{result.subject}" for result in results})
    if foreign_labels:
        labels = ", ".join(foreign_labels[:3]) + (", ..." if len(foreign_labels) > 3 else "")
        message = (
            f"{pattern.parent}: the group files include {len(participants)} participants; "
            f"{len(foreign_labels)} of them are not selected now ({labels}).\n"
            "Move that folder to keep it, or replace its files with --overwrite."
        )
        raise UserError(message)


def restrict_contrasts(group_set: GroupSet, labels: Sequence[str]) -> list[str]:
    """List the contrasts of a set that are to be used.

    Parameters
    ----------
    group_set : GroupSet
    labels : sequence of str
        Requested labels; empty for all.

    Returns
    -------
    list of str
        In the order of the set.
    """
    return [label for label in group_set.contrasts if not labels or label in labels]


def batch_contrasts(maps: Maps, labels: Sequence[str], n_per_batch: int) -> list[list[str]]:
    """Divide contrasts into batches that are read together.

    Parameters
    ----------
    maps : Maps
        Layout of the images. 4-D images can only be decompressed from their start, so several contrasts are
        read at a time; 3-D images are read one by one.
    labels : sequence of str
    n_per_batch : int
        Contrasts of 4-D images per batch.

    Returns
    -------
    list of list of str
    """
    size = 1 if maps.layout == "3d" else max(n_per_batch, 1)
    return [list(labels[start : start + size]) for start in range(0, len(labels), size)]
