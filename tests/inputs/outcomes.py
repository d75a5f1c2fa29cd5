"""Outcomes of altered datasets, from the readers alone or from a whole run of the app."""

import logging
import re
import traceback
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np

from bids_deeptaskgen.bids.input.known_faults import describe_known_faults
from bids_deeptaskgen.bids.input.sources import find_sessions, locate, preflight_dataset
from bids_deeptaskgen.connectome import brain_mask
from bids_deeptaskgen.connectome.prepare_run import check_requirements, prepare_run
from bids_deeptaskgen.errors import UserError, system_refusal
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.pipeline.context import make_context
from bids_deeptaskgen.settings.flags import with_flags
from bids_deeptaskgen.settings.participant import ParticipantSettings
from tests.inprocess import call
from tests.strategies.alteration import LABEL

CONTRAST = "wm2bk"
MIN_MINUTES, MIN_DOF = 0.5, 2
_LOG_LINE = re.compile(r"^ *\d\d:\d\d:\d\d ([A-Z]+) ", re.MULTILINE)


@dataclass
class Outcome:
    """What became of the altered participant.

    Attributes
    ----------
    values : dict of str to array
        What is compared with the unaltered participant's: maps, or what the readers return.
    refusal : str
        Why there is none.
    warnings : list of str
    is_excluded : bool
        Whether the averages were made without the altered participant, and a message says why.
    rows : str
        Names of all participants and folders that the tables mention, and the reasons.
    crash : str
        Traceback or internal error.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    refusal: str = ""
    warnings: list[str] = field(default_factory=list)
    is_excluded: bool = False
    rows: str = ""
    crash: str = ""


def reuse_samplers(monkeypatch):
    """Build the sampler of each grid once, which takes half of the time of the readers."""
    samplers = {}
    make_sampler = brain_mask.make_sampler

    def make_once(grid, target, mask, warp=None):
        key = (grid.shape, grid.matrix.tobytes(), target.shape, mask.tobytes())
        if warp is not None:
            return make_sampler(grid, target, mask, warp)
        if key not in samplers:
            samplers[key] = make_sampler(grid, target, mask)
        return samplers[key]

    monkeypatch.setattr(brain_mask, "make_sampler", make_once)


class _Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def read_inputs(data, custom):
    """Read an altered dataset as the app does, up to the first volume."""
    outcome, handler, logger = Outcome(), _Warnings(), logging.getLogger("bids_deeptaskgen")
    logger.addHandler(handler)
    # Otherwise pytest would keep the messages of all examples.
    logger.propagate = False
    try:
        _read(data, custom, outcome)
    except UserError as error:
        outcome.refusal = with_flags(str(error))
    except Exception as error:
        if refusal := system_refusal(error):
            outcome.refusal = refusal[1]
        else:
            outcome.crash = traceback.format_exc()
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
    outcome.warnings += handler.messages
    return outcome


def _read(data, custom, outcome):
    settings = ParticipantSettings(
        data.root, data.root.parent / "out", model="embedded", contrasts=(CONTRAST,), min_minutes=MIN_MINUTES,
        min_dof=MIN_DOF, custom_confounds=custom,
    )  # fmt: skip
    context = make_context(settings, locate(settings.bids_dir))
    outcome.warnings += [describe_known_faults(context.known_faults, ())] if context.known_faults else []
    rows = preflight_dataset(context.dataset, context.query)
    outcome.rows = "\n".join(f"sub-{row.subject} {row.reason}" for row in rows)
    reasons = [row.reason for row in rows if row.subject == LABEL]
    if reasons and all(reasons):
        outcome.refusal = "\n".join(reasons)
        return
    if not reasons:
        return
    sessions = find_sessions(context.dataset, LABEL, context.query, combine_runs=True)
    plans = []
    for session in sessions:
        if hasattr(session, "error"):
            raise session.error
        runs = [
            prepare_run(run, context.bundle.roi_space.brain_mask, context.cleaning) for run in session.runs
        ]
        outcome.warnings += [finding.message for run in runs for finding in run.inputs.findings]
        check_requirements(runs, context.requirements)
        plans += runs
    for number, plan in enumerate(plans):
        outcome.values |= {f"{name} {number}": value for name, value in _facts(plan).items()}


def _facts(plan):
    """Return what the maps depend on, apart from the volumes."""
    basis = plan.basis
    return {
        "t_r": np.array([plan.t_r]),
        "volumes": np.array([plan.series.n_volumes]),
        "kept": plan.kept_volumes,
        "regressors": basis @ basis.T,
        "covered": plan.sampler.is_covered,
    }


def run_app(data, custom):
    """Run the app on an altered dataset, and read its maps."""
    output = data.root.parent / "out"
    words = ["--custom-confounds", custom] if custom else []
    ended = call(
        f"{data.root}", output, "participant", "--model", "embedded", "--contrasts", CONTRAST, "--nprocs", 1,
        "--omp-nthreads", 1, "--min-minutes", MIN_MINUTES, "--min-dof", MIN_DOF, *words,
    )  # fmt: skip
    return _outcome_of(ended, _read_maps(output, f"sub-{LABEL}/**/*_statmap.nii.gz"))


def run_group(data, _custom):
    """Average the maps of an altered output dataset, and read the averages."""
    ended = call(data.root, data.root, "group", "--overwrite")
    values = _read_maps(data.root, "group/*_statmap.nii.gz")
    for path in sorted(data.root.glob("group/*_metrics.tsv")):
        for row in read_tsv(path):
            # Ages are what the participants table adds.
            values[f"age of {row['participant_id']}"] = np.array(
                [float(row.get("age", "nan").replace("n/a", "nan"))]
            )
    # The averages are written before the tables are read.
    outcome = _outcome_of(ended, {} if ended.code in (2, 3) else values)
    outcome.is_excluded = any(
        line.startswith(f"  sub-{LABEL}: ") and str(data.root) in line for line in ended.out.splitlines()
    )
    if outcome.refusal:
        outcome.rows = ""
        return outcome
    outcome.rows += "".join(path.read_text("utf-8") for path in sorted(data.root.glob("group/*.tsv")))
    return outcome


def _outcome_of(ended, values):
    text = ended.out + ended.err
    outcome = Outcome(values, rows=ended.out)
    if ended.code not in (0, 1, 2, 3) or "Traceback" in text or "internal error" in text:
        outcome.crash = f"exit code {ended.code}\n{text}"
    elif bool(values) == (ended.code in (2, 3)):
        outcome.crash = f"exit code {ended.code} with {len(values)} maps\n{text}"
    parts = _LOG_LINE.split(ended.err)
    outcome.warnings = [
        message.strip() for level, message in zip(parts[1::2], parts[2::2], strict=True) if level != "INFO"
    ]
    if not values:
        outcome.refusal = _refusal(ended)
    else:
        # Other sessions or participants may have failed.
        outcome.warnings += ended.out.splitlines()
    return outcome


def _read_maps(output, pattern):
    return {
        path.name.partition("_contrast-")[2]: np.asanyarray(nib.load(path).dataobj)
        for path in sorted(output.glob(pattern))
    }


def predict_maps(dataset, output):
    """Predict the maps of all participants of the unaltered dataset."""
    return call(
        dataset, output, "participant", "--model", "embedded", "--contrasts", CONTRAST, "--nprocs", 1,
        "--min-minutes", MIN_MINUTES, "--min-dof", MIN_DOF,
    )  # fmt: skip


def _refusal(ended):
    """Return the reason in the table of participants, else the last message."""
    rows = [
        line for line in ended.out.splitlines() if line.startswith(f"sub-{LABEL} ") and " failed " in line
    ]
    return "\n".join(rows) or ended.sentence
