"""Shapes of input whose memory is measured."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.memory.inputs import Series

CONNECTOMES, PREDICTION, PAGES = "connectomes", "prediction", "pages"
_FIRST = (CONNECTOMES,)
_TWO = (CONNECTOMES, PREDICTION)
_ALL = (CONNECTOMES, PREDICTION, PAGES)
# Runs of the Human Connectome Project.
_HCP_T_R = 0.72


@dataclass(frozen=True)
class Shape:
    """One shape of input: its series, options, model and the steps to measure."""

    name: str
    series: Series = field(default_factory=Series)
    options: dict[str, Any] = field(default_factory=dict)
    steps: tuple[str, ...] = _FIRST
    model: str = "fdim-8"


def _hcp(n_volumes: int, **fields: Any) -> Series:  # noqa: ANN401
    return Series(n_volumes=n_volumes, dtype="int16", slope=0.5, t_r=_HCP_T_R, **fields)


_36P = {"nuisance_regressors": "36P"}
_NO_PAGE = {"reports": "none"}
_BARE = {"nuisance_regressors": "none"} | _NO_PAGE
_8_WINDOWS = {"n_windows": 8}
_10_RESAMPLES, _4_WINDOWS = {"n_bootstrap": 10}, {"n_windows": 4}
_TASKS = ("rest", "movie")
_WARP = {"allow_template_warp": True}
SHAPES = (
    Shape("2 mm, float32, 200 volumes", steps=_ALL, model="fdim-64"),
    Shape("2 mm, float32, 40 volumes, no page", Series(n_volumes=40), _BARE),
    Shape("2 mm, float32, 490 volumes, none", Series(n_volumes=490), {"nuisance_regressors": "none"}),
    Shape("2 mm, float32, 490 volumes, 36P", Series(n_volumes=490), _36P),
    Shape("2 mm, float32, 490 volumes, no page", Series(n_volumes=490), _NO_PAGE),
    Shape("2 mm, float32, small page", Series(), {"reports": "qc"}, _ALL),
    Shape("2 mm, float32, uncompressed", Series(is_compressed=False)),
    Shape("2 mm, float64, 200 volumes", Series(dtype="float64")),
    Shape("2 mm, int16 with slope, 490 volumes", Series(n_volumes=490, dtype="int16", slope=0.5)),
    Shape("2 mm, int16 with slope, 1,200 volumes, 8 windows, 36P", _hcp(1200), _36P | _8_WINDOWS, _TWO),
    Shape("2 mm, int16 with slope, 4,800 volumes", _hcp(4800)),
    Shape("1 mm, int16 with slope, 60 volumes", Series(1.0, 60, "int16", 0.5)),
    Shape("2 mm, 4 runs of 150 volumes", Series(n_volumes=150, n_runs=4)),
    Shape("2 mm, int16 with slope, 10 resamples", _hcp(320), {"n_bootstrap": 10}, _TWO),
    Shape("2 mm, 4 runs of 640 volumes, 8 windows, 36P", _hcp(640, n_runs=4), _36P | _8_WINDOWS),
    Shape("1 mm, float32, 60 volumes", Series(1.0, 60)),
    Shape("2 mm, warped to the model's template", Series(n_volumes=60, is_warped=True), _WARP),
    Shape("2 mm, 2 runs of 150 volumes, 2 windows", Series(n_volumes=150, n_runs=2), {"n_windows": 2}, _TWO),
    Shape("3 mm, float32, 100 volumes", Series(3.0, 100)),
    Shape("2 mm, 100 ROIs", Series(n_volumes=100), {}, _TWO, "rois-100"),
    Shape("2 mm, ridge model", Series(n_volumes=60), {}, _TWO, "ridge"),
    Shape("2 mm, fdim 32", Series(n_volumes=60), {}, _TWO, "fdim-32"),
    Shape("2 mm, 2 sessions", Series(n_volumes=60, n_sessions=2), {}, _ALL),
    Shape("2 mm, smoothing of 6 mm", Series(n_volumes=60), {"smoothing": 6.0}),
    Shape("2 mm, 2 runs, 10 resamples", _hcp(320, n_runs=2), _10_RESAMPLES),
    Shape("2 mm, 2 runs, 4 windows, 10 resamples", _hcp(320, n_runs=2), _10_RESAMPLES | _4_WINDOWS),
    Shape("1 mm, int16, 60 volumes, no page", Series(1.0, 60, "int16", 0.5), _NO_PAGE),
    Shape("1 mm, interpolated, int16, 40 volumes", Series(1.0, 40, "int16", 0.5, is_shifted=True)),
    Shape("1 mm, float64, 40 volumes", Series(1.0, 40, "float64")),
    Shape("1 mm, float32, smoothing of 6 mm", Series(1.0, 20), {"smoothing": 6.0}),
    Shape("3 mm, int16 with slope, 200 volumes, 8 windows", Series(3.0, 200, "int16", 0.5), _8_WINDOWS),
    Shape("2 mm, 4 runs of 150 volumes, no page", Series(n_volumes=150, n_runs=4), _NO_PAGE),
    Shape("2 mm, int16, 2 runs of 1,200 volumes", _hcp(1200, n_runs=2)),
    Shape("2 mm, maps in one image", Series(n_volumes=60), {"map_format": "4d"}, _ALL),
    Shape("2 mm, 4 windows, connectomes saved", Series(), _4_WINDOWS | {"save_connectome": True}, _TWO),
    Shape("2 mm, 2 tasks", Series(n_volumes=60, tasks=_TASKS), {"task_id": _TASKS}, _TWO),
    Shape("2 mm, uint8, 100 volumes", Series(n_volumes=100, dtype="uint8")),
    Shape("2 mm, int32, 100 volumes", Series(n_volumes=100, dtype="int32")),
    Shape("2 mm, mask without the upper quarter", Series(n_volumes=100, mask_share=0.72)),
    Shape("2 mm, unet, fdim 16", Series(n_volumes=60), {}, _TWO, "unet-16"),
    Shape("2 mm, resunet, fdim 16", Series(n_volumes=60), {}, _TWO, "resunet-16"),
    Shape("2 mm, fdim 32, bf16", Series(n_volumes=60), {"precision": "bf16"}, _TWO, "fdim-32"),
    Shape("2 mm, 4 sessions", Series(n_volumes=60, n_sessions=4), {}, _ALL),
)  # fmt: skip
