"""What the commands that predict maps have in common: the model, the cleaning, and how it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nuisance_presets import PRESETS
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.methods import Sentences
from bids_deeptaskgen.settings.option import label_option, option
from bids_deeptaskgen.settings.value_types import (
    AutoFloat,
    AutoInt,
    above,
    at_least,
    auto_or,
    between,
    read_device,
    read_memory_gb,
    read_model,
)

_model = partial(option, group="choose model")
_clean = partial(option, group="clean", science=True)
_run = partial(option, group="run")

_COSINES = (
    "Slow drifts were removed in the same regression, with fMRIPrep's cosine regressors (cut-off 1/128 Hz) "
    "or the same basis made here where they were missing."
)
_REFUSED = (
    "Sessions with less than $min_minutes minutes kept, or fewer than $min_dof residual degrees of freedom, "
    "were refused."
)


def _own_cosines(values: Mapping[str, Any]) -> str:
    """Write what ``--high-pass auto`` did: without nuisance regressors it filters nothing."""
    return "" if values["nuisance_regressors"] == "none" else _COSINES


@dataclass(frozen=True, kw_only=True)
class PredictionSettings(Settings):
    """How maps are predicted from series that have been chosen."""

    # Not `science`: a model may have any name and lie anywhere; the hash of its weights enters instead.
    model: str = _model(
        "hcp-ya",
        metavar="NAME_OR_FOLDER",
        read=read_model,
        words="the name of a model or its folder",
        help="name of a model, or the folder of a bundle",
    )
    contrasts: tuple[str, ...] = _model(
        (),
        metavar="CONTRAST",
        unset="all",
        words="a contrast's label or published name, or a task",
        help="maps to write: labels (wm2bkMinus0bk), published names ('WM 2BK-0BK') or tasks (WM)",
    )
    n_windows: AutoInt = _model(
        1,
        science=True,
        check=auto_or(at_least(1)),
        help="parts into which each run is cut, with one prediction each and their mean written; auto comes "
        "nearest to the length that the model was trained on",
        methods=Sentences(
            "windows",
            on="Each run was cut into $n_windows windows; the maps are the mean of the predictions from "
            "single windows.",
            off="All kept volumes went into one connectome, the mean over runs weighted by their volumes.",
            off_value=1,
            auto="The series was cut into windows near the length that the model was trained on; the maps "
            "are the mean of the predictions from single windows.",
        ),
    )
    calibrated: bool = _model(
        default=False,
        science=True,
        help="bring each map nearer to the mean map of measured people, as far as was best for people whom "
        "the model was not trained on; only for models that hold these weights (deeptaskgen models info)",
    )

    nuisance_regressors: str = _clean(
        "auto",
        choices=("auto", *PRESETS),
        help="what is regressed out (XCP-D's names): acompcor is 6 motion parameters, their derivatives "
        "and up to 5 + 5 components; none is for data that are cleaned already; auto is acompcor for "
        "fMRIPrep's output and none for cleaned input",
        methods=Sentences("cleaning", choices={name: preset.methods for name, preset in PRESETS.items()}),
    )
    custom_confounds: Path | None = _clean(
        None,
        metavar="FOLDER",
        unset="none",
        help="regress out the columns of the user's own tables, too: for each run a TSV with one row a "
        "volume, called as the run's table of confounds (or as the BOLD, with .tsv), at the same place "
        "below FOLDER or in FOLDER itself",
        methods=Sentences(
            "cleaning",
            on="Further regressors of the authors' own ($custom_confounds) were removed in the same "
            "regression.",
        ),
    )
    high_pass: AutoFloat = _clean(
        "auto",
        unit="Hz",
        check=auto_or(between(0, 0.25)),
        help="cut-off of the high-pass filter, 0 = off; auto takes fMRIPrep's cosines (1/128 Hz), makes them "
        "where the table lacks them, and filters nothing with --nuisance-regressors none",
        methods=Sentences(
            "cleaning",
            on="Slow drifts were removed in the same regression, with a basis of cosines (cut-off $high_pass "
            "Hz).",
            off="No high-pass filter was applied.",
            auto=_own_cosines,
        ),
    )
    smoothing: float = _clean(
        0.0,
        unit="mm",
        check=between(0, 20),
        help="full width at half maximum of the kernel that each volume is smoothed with inside the brain, "
        "0 = off; the models were trained on data that were not smoothed",
        methods=Sentences(
            "cleaning",
            on="Each volume was smoothed inside the brain with a Gaussian kernel of $smoothing mm full width "
            "at half maximum.",
        ),
    )
    dummy_scans: AutoInt = _clean(
        "auto",
        check=auto_or(at_least(0)),
        help="volumes to leave out at the start of each run; auto takes those that fMRIPrep marked",
        methods=Sentences(
            "cleaning",
            on="The first $dummy_scans volumes of each run were left out.",
            auto="Volumes that fMRIPrep marked as not in steady state were left out.",
        ),
    )
    fd_threshold: float = _clean(
        0.0,
        unit="mm",
        check=at_least(0),
        help="leave out volumes whose framewise displacement is above this, 0 = off",
        methods=Sentences(
            "cleaning",
            on="Volumes with a framewise displacement (Power et al. 2012) above $fd_threshold mm were left "
            "out of the fit and of the correlations.",
            off="No volumes were left out for motion.",
        ),
    )
    min_minutes: float = _clean(
        4.0,
        unit="minutes",
        check=at_least(0),
        help="refuse a session with less kept time than this",
        # One sentence for this and for min_dof.
        methods=Sentences("cleaning", on=_REFUSED, off=_REFUSED),
    )
    min_dof: int = _clean(
        60,
        check=at_least(1),
        help="refuse a session where the cleaning leaves fewer degrees of freedom than this",
    )
    input_mask: str = _clean(
        "card",
        choices=("card", "brain", "gm"),
        help="where the network sees the connectome: all of the brain, grey matter only, or as the card says",
        methods=Sentences(
            "windows",
            choices={
                "card": "",
                "brain": "The network saw the connectome of the whole brain.",
                "gm": "The network saw the connectome within the model's output mask only.",
            },
        ),
    )

    work_dir: Path | None = _run(
        None, flags=("-w",), unset="OUTPUT_DIR/work", help="folder for what is needed only while it runs"
    )
    nprocs: int | None = _run(
        None,
        flags=("--nthreads", "--n-cpus"),
        check=at_least(1),
        unset="all that this process may use",
        help="CPU cores to use",
    )
    omp_nthreads: int | None = _run(
        None,
        check=at_least(1),
        unset="all, at most 8",
        help="threads of the network; maps made with other numbers of them "
        "differ in their last digits, so it does not follow from --nprocs",
    )
    mem: float | None = _run(
        None,
        unit="GB",
        metavar="AMOUNT",
        read=read_memory_gb,
        show=lambda gigabytes: f"{gigabytes!r}G",
        check=at_least(0.5, "GB"),
        words="an amount of memory such as 16G, 1.5G, 512M or 16000 (MB)",
        unset="90% of what is there",
        help="memory to use: 16G, 1.5G, 512M; a bare number is MB",
    )
    device: str = _run(
        "auto",
        read=read_device,
        words="auto, cpu, cuda or cuda:N",
        help="where the network runs: auto, cpu, cuda or cuda:N; auto is a GPU if there is one",
    )
    precision: str = _clean(
        "fp32",
        choices=("fp32", "tf32", "bf16"),
        help="arithmetic of the network: fp32 is the reference; tf32 (NVIDIA GPUs) and bf16 are rougher, and "
        "are refused where they change an example's maps by more than 2% of their SD",
    )
    map_format: str = _run(
        "3d",
        choices=("3d", "4d"),
        former=("output_layout",),
        help="an image for each contrast, or one for all contrasts of a session, which is kinder to a file "
        "system where people are many",
    )
    save_connectome: bool = _run(
        default=False,
        help="keep the connectomes that the network saw beside the maps, to train on them: a .npy file a "
        "session (47 MB a window for 50 ROIs) with a JSON file that describes it",
    )
    overwrite: bool = _run(
        default=False,
        help="replace the maps of another run that had other settings; at the group level, files that are of "
        "others than --participant-label names",
    )

    def _check_together(self) -> None:
        if self.omp_nthreads and self.nprocs and self.omp_nthreads > self.nprocs:
            message = (
                f"--omp-nthreads {self.omp_nthreads} was given with --nprocs {self.nprocs}; "
                "one process can't use more cores than all together."
            )
            raise UserError(message)


@dataclass(frozen=True)
class PredictSettings(PredictionSettings):
    """Predict the maps of one resting-state image, wherever it lies and whatever it is called."""

    bold: Path = option(positional=True, help="4-D image in MNI152NLin6Asym (FSL's MNI152) space")
    out: Path = option(positional=True, help="where the maps are written, as a dataset of one person")
    mask: Path | None = option(
        None,
        metavar="FILE",
        unset="what is not 0 in the first volume",
        help="brain mask on the image's grid",
    )
    confounds: Path | None = option(
        None,
        metavar="FILE",
        unset="none: the image counts as cleaned",
        help="fMRIPrep's table of confounds, HCP's Movement_Regressors.txt or FSL's .par",
    )
    t_r: float | None = option(
        None,
        unit="s",
        check=above(0),
        unset="what the JSON beside the image says, else its header",
        help="repetition time",
    )
    label: str | None = label_option(
        None,
        "sub",
        unset="sub- of the image's name, or the letters and digits of that name",
        help="what the person is called in the names of the maps",
    )
