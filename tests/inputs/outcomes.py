"""Outcomes of altered datasets, from the readers alone or from a whole run of the app."""

import logging
import re
import traceback
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np

from bids_deeptaskgen.bids.input.sources import find_sessions, locate, preflight_dataset
from bids_deeptaskgen.connectome.prepare_run import check_requirements, prepare_run
from bids_deeptaskgen.errors import UserError, system_refusal
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
    rows : str
        Names of all participants and folders that the tables mention, and the reasons.
    crash : str
        Traceback or internal error.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    refusal: str = ""
    warnings: list[str] = field(default_factory=list)
    rows: str = ""
    crash: str = ""


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
        logger.removeHandler(handler)
    outcome.warnings += handler.messages
    return outcome


def _read(data, custom, outcome):
    settings = ParticipantSettings(
        data.root, data.root.parent / "out", model="embedded", contrasts=(CONTRAST,), min_minutes=MIN_MINUTES,
        min_dof=MIN_DOF, custom_confounds=custom,
    )  # fmt: skip
    context = make_context(settings, locate(settings.bids_dir))
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
        runs = [prepare_run(run, context.bundle.roi_space.brain_mask, context.cleaning) for run in session.runs]
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
        "--min-minutes", MIN_MINUTES, "--min-dof", MIN_DOF, *words,
    )  # fmt: skip
    outcome = Outcome(rows=ended.out + ended.err)
    text = ended.out + ended.err
    if ended.code not in (0, 1, 2, 3) or "Traceback" in text or "internal error" in text:
        outcome.crash = f"exit code {ended.code}\n{text}"
    parts = _LOG_LINE.split(ended.err)
    outcome.warnings = [
        message.strip() for level, message in zip(parts[1::2], parts[2::2], strict=True) if level != "INFO"
    ]
    outcome.values = _read_maps(output)
    if not outcome.values:
        outcome.refusal = _refusal(ended)
    elif ended.code == 1:
        # Another session or a copy of the participant failed.
        outcome.warnings.append(ended.out)
    if bool(outcome.values) == (ended.code in (2, 3)):
        outcome.crash = outcome.crash or f"exit code {ended.code} with {len(outcome.values)} maps\n{text}"
    return outcome


def _read_maps(output):
    return {
        path.name.partition("_contrast-")[2]: np.asanyarray(nib.load(path).dataobj)
        for path in sorted(output.glob(f"sub-{LABEL}/**/*_statmap.nii.gz"))
    }


def _refusal(ended):
    """Return the reason in the table of participants, else the last message."""
    rows = [line for line in ended.out.splitlines() if line.startswith(f"sub-{LABEL} ") and " failed " in line]
    return "\n".join(rows) or ended.sentence
