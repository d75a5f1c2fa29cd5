"""Connectomes for the uncertainty of the maps, which wait for prediction behind those of the maps.

The file of waiting connectomes has those of the maps (``n_connectomes`` in the facts of the record), then the
extra ones by kind, in the order of ``extra``. The maps never depend on them.
"""

from pathlib import Path
from typing import Any, NamedTuple

from bids_deeptaskgen.bids.output.completion import Maps
from bids_deeptaskgen.connectome.block_bootstrap import (
    check_blocks,
    draw_blocks,
    make_generator,
    resampled_connectomes,
)
from bids_deeptaskgen.connectome.session import SessionConnectomes
from bids_deeptaskgen.connectome.window_counts import count_blocks
from bids_deeptaskgen.io.npy import save_stack
from bids_deeptaskgen.machine import log_duration
from bids_deeptaskgen.pipeline.connectome_step import describe_flag
from bids_deeptaskgen.pipeline.context import RunContext
from bids_deeptaskgen.pipeline.records import Record

# One connectome of each run, if the map's connectome is that of all runs together.
RUNS = "runs"
# One connectome of each resample of all volumes.
BOOTSTRAP = "bootstrap"


class ExtraRequest(NamedTuple):
    """Extra connectomes of a session.

    Attributes
    ----------
    runs : bool
        Those of single runs, if the runs are pooled.
    n_bootstrap, random_seed : int
        Number of resamples, and seed of their random numbers; 0 without a bootstrap.
    """

    runs: bool
    n_bootstrap: int
    random_seed: int

    def is_met_by(self, facts: dict[str, Any]) -> bool:
        """Return whether waiting connectomes include those of this request.

        Parameters
        ----------
        facts : dict
            From `save_with_extra`.
        """
        bootstrap = (facts.get("n_bootstrap", 0), facts.get("random_seed", 0))
        has_runs = RUNS in facts.get("extra", {}) or len(facts["runs"]) == 1 or facts["n_connectomes"] > 1
        return bootstrap == (self.n_bootstrap, self.random_seed) and (has_runs or not self.runs)


def request_extra(context: RunContext, earlier_maps: Maps | None) -> ExtraRequest:
    """Choose the extra connectomes of a session.

    Parameters
    ----------
    context : RunContext
    earlier_maps : Maps or None
        Maps of an earlier run: its bootstrap and the agreement of its runs are repeated if this run has none,
        as its files stay.

    Returns
    -------
    ExtraRequest
    """
    settings = context.settings
    bootstrap = (settings.n_bootstrap, settings.random_seed if settings.n_bootstrap else 0)
    if not settings.n_bootstrap and earlier_maps:
        bootstrap = (earlier_maps.n_bootstrap, earlier_maps.random_seed)
    has_runs = earlier_maps is not None and earlier_maps.has_run_agreement
    return ExtraRequest(settings.reports == "full" or has_runs, *bootstrap)


def save_with_extra(
    context: RunContext, path: Path, record: Record, result: SessionConnectomes, request: ExtraRequest
) -> dict[str, Any]:
    """Save the connectomes of a session, followed by the extra ones.

    Parameters
    ----------
    context : RunContext
    path : Path
        File of the waiting connectomes.
    record : Record
        Labels of the session.
    result : SessionConnectomes
        Its input files must still exist.
    request : ExtraRequest

    Returns
    -------
    dict
        JSON values for the facts of the record; ``extra_flags`` lists flags.
    """
    arrays = [*result.connectomes, *result.run_connectomes]
    facts: dict[str, Any] = {
        "extra": {RUNS: len(result.run_connectomes)} if result.run_connectomes else {},
        "n_bootstrap": request.n_bootstrap,
        "random_seed": request.random_seed,
        "extra_flags": [],
    }
    finding = check_blocks(result.runs, record.name) if request.n_bootstrap else None
    if finding:
        facts["extra_flags"] = [describe_flag(finding)]
    if finding or not request.n_bootstrap:
        save_stack(path, arrays)
        return facts
    n_blocks = [count_blocks(len(plan.kept_volumes), plan.t_r) for plan in result.runs]
    generator = make_generator(request.random_seed, record.stem)
    draws = draw_blocks(generator, n_blocks, request.n_bootstrap)
    with log_duration(f"{record.name}: {request.n_bootstrap} resamples"):
        additions = resampled_connectomes(
            result.runs,
            draws,
            context.bundle.roi_space.projection,
            result.run_weights,
            context.cleaning.smoothing,
        )
        save_stack(path, arrays, request.n_bootstrap, additions)
    facts["extra"][BOOTSTRAP] = request.n_bootstrap
    facts["bootstrap"] = {
        "Resamples": request.n_bootstrap,
        "RandomSeed": request.random_seed,
        "BlocksPerRun": n_blocks,
        "BlockSeconds": [
            float(f"{60 * plan.minutes / n:.6g}") for plan, n in zip(result.runs, n_blocks, strict=True)
        ],
    }
    return facts
