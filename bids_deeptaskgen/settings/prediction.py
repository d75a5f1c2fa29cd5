"""Settings of the commands that predict maps: model, cleaning and execution."""

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
    at_least,
    auto_or,
    greater_than,
    in_range,
    parse_device,
    parse_memory_gb,
    parse_model,
)

_model = partial(option, group="choose model")
_clean = partial(option, group="clean", affects_output=True)
_run = partial(option, group="run")
_report = partial(option, group="report")

_COSINES = (
    "Slow drifts were removed in the same regression, with fMRIPrep's cosine regressors (cut-off 1/128 Hz) "
    "or with the same basis if the table lacked them."
)
_MINIMUM = (
    "Sessions with less than $min_minutes minutes of kept volumes, or fewer than $min_dof residual degrees "
    "of freedom, were excluded."
)


def _auto_high_pass(values: Mapping[str, Any]) -> str:
    """Describe ``--high-pass auto``; without nuisance regressors it applies no filter."""
    return "" if values["nuisance_regressors"] == "none" else _COSINES


@dataclass(frozen=True, kw_only=True)
class PredictionSettings(Settings):
    """Settings that apply to every prediction of maps."""

    # Without affects_output: the settings hash includes the hash of the weights instead of name and folder.
    model: str = _model(
        "hcp-ya",
        metavar="NAME_OR_FOLDER",
        parse=parse_model,
        expected="the name of a model or its folder",
        help="name of a model, or the folder of a bundle",
    )
    contrasts: tuple[str, ...] = _model(
        (),
        metavar="CONTRAST",
        default_meaning="all",
        expected="a contrast's label or published name, or a task",
        help="maps to write: labels (wm2bkMinus0bk), published names ('WM 2BK-0BK') or tasks (WM)",
    )
    n_windows: AutoInt = _model(
        1,
        affects_output=True,
        check=auto_or(at_least(1)),
        help="number of windows per run; the maps are the mean of the predictions from each window; auto "
        "approximates the window length of the model's training",
        methods=Sentences(
            "windows",
            sentence="Each run was divided into $n_windows windows; the maps are the mean of the predictions "
            "from single windows.",
            off_sentence="One connectome was computed from all kept volumes, as the mean over runs weighted "
            "by their numbers of volumes.",
            off_value=1,
            auto_sentence="The series was divided into windows of about the length used in the training of "
            "the model; the maps are the mean of the predictions from single windows.",
        ),
    )
    calibrated: bool = _model(
        default=False,
        affects_output=True,
        help="shrink each map towards the mean measured map, by weights estimated on participants whom the "
        "model was not fitted to (a ridge model: left out in its cross-validation); only for models with "
        "these weights (see deeptaskgen models info)",
        methods=Sentences(
            "calibration",
            sentence="Each predicted map was then averaged with the mean measured map of the participants of "
            "the training, with a weight per contrast that was estimated when the model was trained "
            "(calibration; not part of the published method).",
        ),
    )

    nuisance_regressors: str = _clean(
        "auto",
        choices=("auto", *PRESETS),
        help="confounds to regress out (XCP-D's names): acompcor is 6 motion parameters, their derivatives "
        "and up to 5 + 5 components; none is for cleaned data; auto is acompcor for fMRIPrep's output and "
        "none for cleaned input",
        methods=Sentences("cleaning", choices={name: preset.methods for name, preset in PRESETS.items()}),
    )
    custom_confounds: Path | None = _clean(
        None,
        metavar="FOLDER",
        default_meaning="none",
        help="also regress out the columns of custom tables: for each run a TSV with one row per volume, "
        "named like the run's confounds table (or like the BOLD file, with .tsv), at the same relative path "
        "in FOLDER or directly in FOLDER",
        methods=Sentences(
            "cleaning",
            sentence="Custom regressors ($custom_confounds) were removed in the same regression.",
        ),
    )
    high_pass: AutoFloat = _clean(
        "auto",
        unit="Hz",
        check=auto_or(in_range(0, 0.25)),
        help="cut-off of the high-pass filter, 0 = off; auto uses fMRIPrep's cosines (1/128 Hz), computes "
        "them if the table lacks them, and applies no filter with --nuisance-regressors none",
        methods=Sentences(
            "cleaning",
            sentence="Slow drifts were removed in the same regression, with a basis of cosines (cut-off "
            "$high_pass Hz).",
            off_sentence="No high-pass filter was applied.",
            auto_sentence=_auto_high_pass,
        ),
    )
    smoothing: float = _clean(
        0.0,
        unit="mm",
        check=in_range(0, 20),
        help="full width at half maximum of the kernel that smooths each volume inside the brain mask, 0 = "
        "off; the models were trained on unsmoothed data",
        methods=Sentences(
            "cleaning",
            sentence="Each volume was smoothed inside the brain mask with a Gaussian kernel of $smoothing mm "
            "full width at half maximum.",
        ),
    )
    dummy_scans: AutoInt = _clean(
        "auto",
        check=auto_or(at_least(0)),
        help="volumes to remove at the start of each run; auto removes those that fMRIPrep marked",
        methods=Sentences(
            "cleaning",
            sentence="The first $dummy_scans volumes of each run were removed.",
            auto_sentence="If fMRIPrep marked volumes as non-steady-state, these were removed.",
        ),
    )
    fd_threshold: float = _clean(
        0.0,
        unit="mm",
        check=at_least(0),
        help="censor volumes whose framewise displacement exceeds this, 0 = off",
        methods=Sentences(
            "cleaning",
            sentence="Volumes with a framewise displacement (Power et al. 2012) above $fd_threshold mm were "
            "censored: they entered neither the regression nor the correlations.",
            off_sentence="No threshold of framewise displacement was applied.",
        ),
    )
    min_minutes: float = _clean(
        4.0,
        unit="minutes",
        check=at_least(0),
        help="exclude sessions with less time than this after censoring",
        # One sentence for this and for min_dof.
        methods=Sentences("cleaning", sentence=_MINIMUM, off_sentence=_MINIMUM),
    )
    min_dof: int = _clean(
        60,
        check=at_least(1),
        help="exclude sessions with fewer residual degrees of freedom than this after cleaning",
    )
    min_coverage: float = _clean(
        0.5,
        affects_output=False,
        check=in_range(0, 1),
        help="exclude sessions in which less than this share of the brain voxels in the mask has a signal; "
        "maps are 0 in large regions without signal",
    )
    max_mask_offset: float = _clean(
        15.0,
        unit="mm",
        affects_output=False,
        check=at_least(0),
        help="exclude sessions whose brain mask is displaced from the mean image by more than this, 0 = no "
        "limit; smaller displacements are flagged",
    )
    input_mask: str = _clean(
        "card",
        choices=("card", "brain", "gm"),
        help="voxels of the connectome that enter a network: brain, grey matter, or as in the model card",
        methods=Sentences(
            "windows",
            choices={
                "card": "",
                "brain": "The input of the model was the connectome of the whole brain.",
                "gm": "The input of the model was the connectome within the model's output mask.",
            },
        ),
    )

    work_dir: Path | None = _run(
        None, flags=("-w",), default_meaning="OUTPUT_DIR/work", help="folder for temporary files"
    )
    nprocs: int | None = _run(
        None,
        flags=("--nthreads", "--n-cpus"),
        check=at_least(1),
        default_meaning="all available to this process or to its Slurm job",
        help="CPU cores to use",
    )
    omp_nthreads: int | None = _run(
        None,
        check=at_least(1),
        default_meaning="all, at most 8",
        help="threads of the network; the last digits of the maps depend on this number, so it is "
        "independent of --nprocs",
    )
    mem: float | None = _run(
        None,
        unit="GB",
        metavar="AMOUNT",
        parse=parse_memory_gb,
        format=lambda gigabytes: f"{gigabytes!r}G",
        check=at_least(0.5, "GB"),
        expected="an amount of memory such as 16G, 1.5G, 512M or 16000 (MB)",
        default_meaning="90% of the memory available to this process or to its Slurm job",
        help="memory to use: 16G, 1.5G, 512M; a number without unit is MB",
    )
    device: str = _run(
        "auto",
        parse=parse_device,
        expected="auto, cpu, cuda or cuda:N",
        help="device of a network: auto, cpu, cuda or cuda:N; auto uses a GPU if available, and in a Slurm "
        "job only a GPU of the job; ridge models use the CPU",
    )
    precision: str = _clean(
        "fp32",
        choices=("fp32", "tf32", "bf16"),
        help="precision of a network: fp32 is the reference; tf32 (NVIDIA GPUs) and bf16 are less exact, "
        "and are rejected if they change the maps of an example by more than 2% of their SD",
    )
    map_format: str = _run(
        "3d",
        choices=("3d", "4d"),
        former_names=("output_layout",),
        help="3d writes one image per contrast; 4d writes one image per session with all contrasts, which "
        "means fewer files in large datasets",
    )
    reports: str = _report(
        "full",
        choices=("full", "qc", "none"),
        help="page of each participant, sub-LABEL.html: full shows quality, connectome and maps; qc is a "
        "small page without connectome and maps; none writes no page and no images for one",
    )
    n_bootstrap: int = _report(
        0,
        check=in_range(0, 1000),
        help="estimate the uncertainty of the maps from this number of resamples of blocks of volumes, 0 = "
        "off; each series is read twice, and each resample costs 0.6 s of CPU time, one prediction and "
        "temporarily 47 MB on the disk (50 ROIs); 20 give a standard deviation with an error of 16%, 50 with "
        "one of 10%",
    )
    random_seed: int = _report(
        0,
        check=at_least(0),
        help="seed of the random numbers of --n-bootstrap; the same seed gives the same resamples",
    )
    save_connectome: bool = _run(
        default=False,
        help="save the connectomes next to the maps, for training: one .npy file per session (47 MB per "
        "window for 50 ROIs) with a JSON sidecar",
    )
    overwrite: bool = _run(
        default=False,
        help="replace maps that were computed with other settings, and edited files of OUTPUT_DIR; at the "
        "group level, also replace group files that include participants not in --participant-label",
    )

    def _check_together(self) -> None:
        if self.omp_nthreads and self.nprocs and self.omp_nthreads > self.nprocs:
            message = (
                f"--omp-nthreads {self.omp_nthreads} was given with --nprocs {self.nprocs}; "
                "use at most as many threads as cores."
            )
            raise UserError(message)


@dataclass(frozen=True)
class PredictSettings(PredictionSettings):
    """Predict the maps of one resting-state image with any path and name."""

    bold: Path = option(positional=True, help="4-D image in MNI152NLin6Asym (FSL's MNI152) space")
    out: Path = option(positional=True, help="folder of the output dataset, which has one participant")
    mask: Path | None = option(
        None,
        metavar="FILE",
        default_meaning="nonzero voxels of the first volume",
        help="brain mask on the image's grid",
    )
    confounds: Path | None = option(
        None,
        metavar="FILE",
        default_meaning="none: the image is assumed to be cleaned",
        help="fMRIPrep's confounds table, HCP's Movement_Regressors.txt or FSL's .par",
    )
    t_r: float | None = option(
        None,
        unit="s",
        check=greater_than(0),
        default_meaning="from the JSON sidecar of the image, else from its header",
        help="repetition time",
    )
    label: str | None = label_option(
        None,
        "sub",
        default_meaning="sub- of the image's name, or the letters and digits of that name",
        help="participant label in the names of the maps",
    )
