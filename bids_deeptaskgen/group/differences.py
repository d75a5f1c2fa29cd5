"""Tests of differences between participants, or of a difference of sessions, on the maps of each contrast."""

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.bids.column_names import SUMMED_METRICS, column_levels
from bids_deeptaskgen.bids.participants_table import read_families
from bids_deeptaskgen.connectome.qc_verdicts import metric_specs, single_value
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.design.columns import AbsentColumnError
from bids_deeptaskgen.group.design.observations import (
    Observation,
    request_from_settings,
)
from bids_deeptaskgen.group.design.plan import DesignPlan, plan_design, restrict_plan
from bids_deeptaskgen.group.map_rows import RowPlan
from bids_deeptaskgen.group.second_level import (
    EffectMaps,
    PermutationMaps,
    SecondLevelFit,
    fit_effects,
    permute_effects,
)
from bids_deeptaskgen.io.voxel_rows import VoxelRows
from bids_deeptaskgen.report.group_content import DesignContent, EffectRow
from bids_deeptaskgen.settings.flags import with_flags
from bids_deeptaskgen.settings.group import GroupSettings

logger = logging.getLogger("bids_deeptaskgen")

ALPHA = 0.05
_LABELS = ("participant_id", "session_id", "run", "dir", "verdict", "warnings", "failures", "flags")


def plan_differences(
    settings: GroupSettings, table: Sequence[Mapping[str, Any]], participants: Collection[str]
) -> DesignPlan | None:
    """Plan the tests that the user asks for.

    Parameters
    ----------
    settings : GroupSettings
    table : sequence of dict
        Joined table of the sessions of a set.
    participants : collection of str
        Labels of its participants.

    Returns
    -------
    DesignPlan or None
        None if no tests are requested.

    Raises
    ------
    UserError
        If the design cannot be tested.
    """
    if settings.design is None and settings.session_difference is None:
        return None
    path = settings.output_dir / "participants.tsv"
    families = read_families(path, participants)
    observations = make_observations(table, {label: family for label, (family, _) in families.items()})
    levels = column_levels(path)
    try:
        plan = plan_design(observations, request_from_settings(settings), levels)
    except AbsentColumnError as error:
        if os.path.lexists(path):
            raise
        message = (
            f"{error}\n{path} does not exist: the participant level copies it from BIDS_DIR, or from "
            "--participants-tsv."
        )
        raise UserError(message) from error
    for note in plan.notes:
        logger.info("%s", note)
    for label, reason in plan.excluded.items():
        logger.warning("sub-%s: not in the tests: %s", label, reason)
    return plan


def make_observations(table: Sequence[Mapping[str, Any]], families: Mapping[str, str]) -> list[Observation]:
    """Convert the joined table to one observation per session.

    Minutes of runs with their own maps are summed, other quality metrics averaged.

    Parameters
    ----------
    table : sequence of dict
    families : dict of str to str
        By participant; may be empty text.

    Returns
    -------
    list of Observation
    """
    sessions: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for row in table:
        label = row["participant_id"].removeprefix("sub-")
        session = row["session_id"].removeprefix("ses-") if row["session_id"] else None
        sessions.setdefault((label, session), []).append(row)
    observations = []
    for (label, session), rows in sessions.items():
        names = dict.fromkeys(name for row in rows for name in row if name not in _LABELS)
        columns = {name: _cell(name, rows) for name in names}
        observations.append(Observation(label, session, columns, families.get(label, "")))
    return observations


def _cell(name: str, rows: Sequence[Mapping[str, Any]]) -> str | float | None:
    """Return the sum or mean of a metric over the runs of a session, or the text of its first row."""
    if name not in metric_specs() and isinstance(rows[0].get(name), str):
        return str(rows[0][name])
    numbers = [single_value(row.get(name)) for row in rows]
    values = [number for number in numbers if number is not None and np.isfinite(number)]
    if name in SUMMED_METRICS:
        return float(np.sum(values)) if values and len(values) == len(rows) else None
    return float(np.mean(values)) if values else None


class ContrastTest:
    """Tests of all effects of a design on the maps of a contrast.

    Parameters
    ----------
    plan : DesignPlan
    row_plan : RowPlan
    written_rows : collection of int
        Rows with a map of the contrast; participants without one are left out of its tests.

    Raises
    ------
    UserError
        If the participants with a map cannot be tested; see `restrict_plan`.
    """

    def __init__(self, plan: DesignPlan, row_plan: RowPlan, written_rows: Collection[int]) -> None:
        numbers = {label: number for number, label in enumerate(row_plan.participants)}
        # The row of each participant; for a difference, those of the later and of the earlier session.
        rows = {
            label: [row_plan.sessions[label, session or ""] for session in plan.sessions[label]]
            if plan.is_difference
            else [numbers[label]]
            for label in plan.participants
        }
        with_maps = {label for label, items in rows.items() if set(items) <= set(written_rows)}
        self.plan = restrict_plan(plan, with_maps)
        self._rows = np.array([rows[label] for label in self.plan.participants])

    def run(self, rows: VoxelRows) -> tuple[SecondLevelFit, dict[str, PermutationMaps]]:
        """Fit the effects, and correct them by permutations if these are requested.

        Parameters
        ----------
        rows : VoxelRows

        Returns
        -------
        SecondLevelFit
        dict of str to PermutationMaps
            By label of the effect; empty without permutations.
        """
        fit = fit_effects(self.plan, self._chunks(rows), OUTPUT_GRID.shape)
        if not self.plan.request.n_permutations:
            return fit, {}
        return fit, permute_effects(self.plan, self._chunks(rows), fit.tested, OUTPUT_GRID.matrix)

    def _chunks(self, rows: VoxelRows) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Yield the map of each participant, or its difference of sessions, a chunk of voxels at a time."""
        if not self.plan.is_difference:
            for voxels, values in rows.chunks():
                yield voxels, values[self._rows[:, 0]]
            return
        for voxels, values in rows.chunks():
            last, first = values[self._rows[:, 0]], values[self._rows[:, 1]]
            has_both = (last != 0) & (first != 0)
            # A difference of exactly 0 is a value; 0 would mean none.
            difference = np.where(last == first, np.finfo(np.float32).tiny, last - first)
            yield voxels, np.where(has_both, difference, np.float32(0))


def effect_row(
    contrast: str,
    title: str,
    maps: EffectMaps,
    tested: NDArray[np.bool_],
    permuted: PermutationMaps | None,
    plan: DesignPlan,
) -> EffectRow:
    """Describe the test of an effect on a contrast.

    Parameters
    ----------
    contrast, title : str
    maps : EffectMaps
    tested : boolean array of shape (91, 109, 91)
    permuted : PermutationMaps or None
    plan : DesignPlan
        Of the participants with a map of the contrast.

    Returns
    -------
    EffectRow
    """
    peak = np.unravel_index(int(np.abs(maps.t).argmax()), maps.t.shape)
    position = OUTPUT_GRID.matrix @ [*peak, 1]
    return EffectRow(
        contrast=contrast,
        effect=title,
        n_participants=len(plan.participants),
        dof=plan.dof,
        n_voxels=int(tested.sum()),
        n_fdr=int((maps.q < ALPHA).sum()),
        n_max_t=None if permuted is None else int((permuted.p_max_t < ALPHA).sum()),
        n_tfce=(
            None if permuted is None or permuted.p_tfce is None else int((permuted.p_tfce < ALPHA).sum())
        ),
        peak_t=float(maps.t[peak]),
        peak_mm=(float(position[0]), float(position[1]), float(position[2])),
        peak_r=float(maps.r[peak]),
    )


def design_content(
    plan: DesignPlan, rows: Sequence[EffectRow], notes: Sequence[str] = (), untested: Sequence[str] = ()
) -> DesignContent:
    """Describe the tests for the page.

    Parameters
    ----------
    plan : DesignPlan
    rows : sequence of EffectRow
    notes : sequence of str
        Further notes, for example on lost voxels.
    untested : sequence of str
        Contrasts that cannot be tested.

    Returns
    -------
    DesignContent
    """
    return DesignContent(
        formula=plan.formula or f"mean difference of sessions {plan.request.session_difference}",
        facts=plan.facts,
        notes=[with_flags(note) for note in (*plan.notes, *notes)],
        excluded={f"sub-{label}": with_flags(reason) for label, reason in plan.excluded.items()},
        columns=plan.columns,
        participants=[f"sub-{label}" for label in plan.participants],
        matrix=plan.matrix,
        rows=rows,
        untested=untested,
    )
