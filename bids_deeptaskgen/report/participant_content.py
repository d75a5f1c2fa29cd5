"""Content of a participant's page: what the page shows, without its appearance."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def plural(kind: str) -> str:
    """Return the plural of what sets of maps differ in.

    Parameters
    ----------
    kind : {"session", "run", "task", "set of maps"}

    Returns
    -------
    str

    Examples
    --------
    >>> plural("run"), plural("set of maps")
    ('runs', 'sets of maps')
    """
    return kind.replace("set", "sets") if " " in kind else f"{kind}s"


@dataclass(frozen=True)
class PageWarning:
    """Warning in plain sentences.

    Attributes
    ----------
    level : {"fail", "warn"}
    message : str
        What was found.
    meaning, action : str
        What it means for the maps, and what to do; may be empty.
    """

    level: str
    message: str
    meaning: str = ""
    action: str = ""


@dataclass(frozen=True)
class QcRow:
    """Quality metric of a session with its verdict.

    Attributes
    ----------
    name, title : str
        Name in the quality table; words for readers.
    value : float or None
        None if unavailable.
    unit : str
    verdict : {"pass", "warn", "fail", "n/a", "info"}
        ``info`` for a metric without thresholds.
    limits : str
        Thresholds in words, for example ``warn above 0.25, fail above 0.5``; may be empty.
    description, source : str
        Definition of the metric; reference or experiment of the thresholds.
    """

    name: str
    title: str
    value: float | None
    unit: str
    verdict: str
    limits: str
    description: str
    source: str


@dataclass(frozen=True)
class RunContent:
    """Series of a run.

    Attributes
    ----------
    name : str
    sources : sequence of str
        URIs of the input files.
    facts : dict of str to str
        Words by heading: volumes, dummy scans, minutes, degrees of freedom, regressors, ...
    t_r : float
        Repetition time in s.
    fd_mm, dvars : array of shape (n_volumes,) or None
        Framewise displacement in mm; DVARS in percent of the mean signal. NaN where undefined.
    is_kept : boolean array of shape (n_volumes,) or None
        False for dummy scans and censored volumes.
    n_dummies : int or None
        Number of dummy scans at the start; None if unknown.
    fd_threshold_mm : float
        0 without censoring.
    carpet : uint8 array of shape (n_rows, n_columns) or None
        Detrended, z-scored signal: 0 is -2, 255 is 2. Columns span the whole series.
    carpet_groups : sequence of (str, int)
        Name and number of rows of each tissue, from top to bottom.
    mean, mask : uint8 and boolean arrays of shape (n_slices, 109, 91), or None
        Mean image and brain mask on the slices of `connectome.axial_slices`.
    is_demeaned : bool
        Whether `mean` is the mean change over time, since the mean was removed from the series.
    """

    name: str
    sources: Sequence[str]
    facts: Mapping[str, str]
    t_r: float
    fd_mm: NDArray[np.float64] | None = None
    dvars: NDArray[np.float64] | None = None
    is_kept: NDArray[np.bool_] | None = None
    fd_threshold_mm: float = 0.0
    carpet: Bytes | None = None
    carpet_groups: Sequence[tuple[str, int]] = ()
    mean: Bytes | None = None
    mask: NDArray[np.bool_] | None = None
    n_dummies: int | None = None
    is_demeaned: bool = False


@dataclass(frozen=True)
class MapImages:
    """Images of a map as bytes: value = (byte - 128) / 127 * limit; 0 means no value.

    Attributes
    ----------
    limit : float
        Value of byte 255, in units of the map.
    slices : uint8 array of shape (n_slices, 109, 91)
    glass : tuple of three uint8 arrays
        Value of largest magnitude along x (rows z from top, columns y from posterior), along y (rows z,
        columns x from left) and along z (rows y from anterior, columns x from left).
    surface : uint8 array of shape (2 * 10242,)
        Values at the vertices of fsaverage5, left then right hemisphere.
    """

    limit: float
    slices: Bytes
    glass: tuple[Bytes, Bytes, Bytes]
    surface: Bytes


@dataclass(frozen=True)
class MapContent:
    """Map of a contrast.

    Attributes
    ----------
    label, task, source_name, units : str
    images : MapImages
    sd_slices : uint8 array of shape (n_slices, 55, 46) or None
        Standard deviation over windows (or resamples), byte 255 at `sd_limit`, at every second voxel.
    sd_limit : float
    sd_meaning : str
        Of what the standard deviation is, for example ``over 8 windows``; empty without one.
    retest_r : float or None
        Typical spatial correlation of measured retest maps; includes the pattern that participants share.
    warning : str
        Of the contrast's sidecar, for example on its low reliability.
    calibration_weight : float or None
        Weight of the predicted map; None if the map is not calibrated.
    agreement : dict of str to float
        Agreement of this contrast by name of the measure; see `SessionContent.agreement_measures`.
    """

    label: str
    task: str
    source_name: str
    units: str
    images: MapImages
    sd_slices: Bytes | None = None
    sd_limit: float = 0.0
    sd_meaning: str = ""
    retest_r: float | None = None
    warning: str = ""
    calibration_weight: float | None = None
    agreement: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectomeContent:
    """Connectome of a session.

    Attributes
    ----------
    roi_names : sequence of str
        For example ``ROI 3 (-40, -22, 54 mm)``.
    matrix : array of shape (n_rois, n_rois)
        Pearson r between ROI time series; NaN if unavailable.
    maps : uint8 array of shape (n_rois, n_slices, 55, 46) or None
        Correlation of each ROI with all voxels at every second voxel: r = (byte - 128) / 127; 0 means no
        signal.
    """

    roi_names: Sequence[str]
    matrix: NDArray[np.float64]
    maps: Bytes | None = None


@dataclass(frozen=True)
class Measure:
    """Measure of agreement or typicality in words.

    Attributes
    ----------
    name, title : str
    value : float or None
        Over all contrasts (median); None if unavailable.
    explanation : str
        What is compared, the assumptions, and how to read it.
    """

    name: str
    title: str
    value: float | None
    explanation: str


@dataclass(frozen=True)
class SessionContent:
    """Maps and data of a session.

    Attributes
    ----------
    name : str
        For example ``ses-1 task-rest``.
    facts : dict of str to str
        Words by heading, for the summary.
    warnings : sequence of PageWarning
    qc : sequence of QcRow
    runs : sequence of RunContent
    tsnr : uint8 array of shape (n_slices, 109, 91) or None
        Byte 255 is `tsnr_limit`.
    tsnr_limit : float
    tsnr_remark : str
        Why there is no `tsnr`; may be empty.
    roi_coverage : array of shape (n_rois,) or None
        Share of the weight of each ROI map on voxels with signal.
    connectome : ConnectomeContent or None
    maps : sequence of MapContent
    typicality : sequence of Measure
    agreement_measures : sequence of Measure
        Measures of the agreement between windows, runs or resamples, and of split-half reliability.
    images_note : str
        Why images of the series are not on the page, and what to do; empty if they are.
    """

    name: str
    facts: Mapping[str, str]
    warnings: Sequence[PageWarning] = ()
    qc: Sequence[QcRow] = ()
    runs: Sequence[RunContent] = ()
    tsnr: Bytes | None = None
    tsnr_limit: float = 0.0
    roi_coverage: NDArray[np.float64] | None = None
    connectome: ConnectomeContent | None = None
    maps: Sequence[MapContent] = ()
    typicality: Sequence[Measure] = ()
    agreement_measures: Sequence[Measure] = ()
    images_note: str = ""
    tsnr_remark: str = ""


@dataclass(frozen=True)
class ParticipantContent:
    """Content of a page.

    Attributes
    ----------
    title : str
    participant : str
        For example ``sub-01``.
    kind : {"full", "qc"}
        ``qc`` without connectome and maps.
    notice : str
        Notice of the model, for example that it is not for science; may be empty.
    facts : dict of str to str
        Words by heading, for the summary: model, device, settings, ...
    sessions : sequence of SessionContent
    failures : dict of str to str
        Reason by name of each session that failed.
    session_agreement : sequence of Measure
        Agreement of the maps between sessions, or other sets of maps.
    session_agreement_by_contrast : dict of str to dict of str to float
        Value by contrast and pair of sets.
    set_kind : {"session", "run", "task", "set of maps"}
        What the sets of maps of the participant differ in.
    methods : str
        Text in Markdown for a methods section, with references.
    provenance : dict of str to str
        Versions, settings, hashes, command line.
    failures_with_maps : collection of str
        Names among `failures` of sessions whose maps of an earlier run exist.
    digest : str
        Hash of the content, see `report.pages.content_digest`; may be empty.
    """

    title: str
    participant: str
    notice: str
    facts: Mapping[str, str]
    sessions: Sequence[SessionContent]
    failures: Mapping[str, str] = field(default_factory=dict)
    session_agreement: Sequence[Measure] = ()
    session_agreement_by_contrast: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    methods: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    kind: str = "full"
    failures_with_maps: Collection[str] = ()
    digest: str = ""
    set_kind: str = "session"

    @property
    def set_kinds(self) -> str:
        """Return the plural of `set_kind`."""
        return plural(self.set_kind)
