"""Content of the page of a group: what the page shows, without its appearance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Parts of the content of a group, so they are imported from here.
from bids_deeptaskgen.report.individuality_content import Embedding as Embedding
from bids_deeptaskgen.report.individuality_content import IccRow as IccRow
from bids_deeptaskgen.report.individuality_content import IdentificationRow as IdentificationRow
from bids_deeptaskgen.report.individuality_content import Similarity as Similarity
from bids_deeptaskgen.report.participant_content import MapContent, PageWarning

Floats = NDArray[np.float64]
Cell = float | int | str | None

# `QcFcRow.name` of the connectome.
CONNECTOME = "ROI x ROI connectome"


@dataclass(frozen=True)
class Column:
    """Column of a table.

    Attributes
    ----------
    name, title, unit, description : str
    limits : str
        Thresholds of a quality metric in words; may be empty.
    warn, fail : dict of str to float
        The same thresholds as numbers by side, ``below`` and ``above``, drawn in the distribution.
    is_number : bool
        Numbers are sorted by value, and a quality metric of numbers has a plot.
    is_metric : bool
        Whether the column is a quality metric, whose distribution is drawn.
    """

    name: str
    title: str
    unit: str = ""
    description: str = ""
    limits: str = ""
    is_number: bool = True
    is_metric: bool = False
    warn: Mapping[str, float] = field(default_factory=dict)
    fail: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SessionRow:
    """Row of the table of sessions (or runs with their own maps).

    Attributes
    ----------
    participant : str
        For example ``sub-01``: the search field highlights all rows of a participant.
    name : str
        For example ``sub-01 ses-1``.
    page : str
        Relative link to the page of the participant; empty if there is none.
    cells : sequence
        Values in the order of `GroupSetContent.columns`.
    """

    participant: str
    name: str
    page: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Outlier:
    """Unusual value of a session.

    Attributes
    ----------
    participant, name : str
        As in `SessionRow`.
    measure : str
        Title of the metric.
    value, robust_z : float
    """

    participant: str
    name: str
    measure: str
    value: float
    robust_z: float


@dataclass(frozen=True)
class MapGroup:
    """Maps of one kind for all contrasts, an entry of the viewer's first selector.

    Attributes
    ----------
    title : str
        For example ``Mean over participants``, ``Effect of age (t)``, ``Correlation with mean FD``.
    explanation : str
        How to read these maps; for tests also the threshold and its correction.
    maps : sequence of MapContent
        `MapContent.sd_slices` of mean maps is the SD over participants.
    facts : dict of str to dict of str to str
        Further facts of a map by label of the contrast, then by heading.
    is_predicted : bool
        Whether values are in the units of predicted maps (not for t and r).
    thresholds : dict of str to float
        By label of the contrast: magnitude below which values are hidden at first, for example that of a
        corrected test. Without one, a share of the colour range is hidden; the page states that a test
        without one has no significant voxel.
    effect : str
        `EffectRow.effect` of the test whose maps these are, so that the table of effects links to them; empty
        for other maps.
    """

    title: str
    explanation: str
    maps: Sequence[MapContent]
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    is_predicted: bool = True
    thresholds: Mapping[str, float] = field(default_factory=dict)
    effect: str = ""


@dataclass(frozen=True)
class EffectRow:
    """Test of an effect on the maps of a contrast.

    Attributes
    ----------
    contrast, effect : str
        Label of the contrast; title of the effect, for example ``age`` or ``sex: M - F``.
    n_participants, dof : int
        Participants with a map of the contrast, and residual degrees of freedom.
    n_voxels : int
        Voxels with a value of all participants.
    n_fdr : int
        Voxels with q < 0.05 (false discovery rate).
    n_max_t, n_tfce : int or None
        Voxels with corrected p < 0.05 by permutations; None without permutations.
    peak_t : float
        t of largest magnitude.
    peak_mm : tuple of float
        Its position.
    peak_r : float
        Partial correlation there.
    """

    contrast: str
    effect: str
    n_participants: int
    dof: int
    n_voxels: int
    n_fdr: int
    n_max_t: int | None
    n_tfce: int | None
    peak_t: float
    peak_mm: tuple[float, float, float]
    peak_r: float


@dataclass(frozen=True)
class DesignContent:
    """Tests of differences between participants, or of a difference of sessions.

    Attributes
    ----------
    formula : str
        As the user wrote it.
    facts : dict of str to str
        Words by heading: covariates, participants, degrees of freedom, permutations, ...
    notes : sequence of str
        What readers must know: covariates that were dropped, related participants, coding of categories, ...
    excluded : dict of str to str
        Reason by participant.
    columns : sequence of str
        Columns of the design matrix.
    participants : sequence of str
        Rows of the design matrix, for example ``sub-01``.
    matrix : array of shape (n_participants, n_columns)
    rows : sequence of EffectRow
    untested : sequence of str
        Contrasts that cannot be tested; `notes` has the reasons.
    """

    formula: str
    facts: Mapping[str, str]
    notes: Sequence[str]
    excluded: Mapping[str, str]
    columns: Sequence[str]
    participants: Sequence[str]
    matrix: Floats
    rows: Sequence[EffectRow]
    untested: Sequence[str] = ()


@dataclass(frozen=True)
class QcFcRow:
    """Relation of a contrast, or of the ROI x ROI connectome, to mean FD over participants.

    Attributes
    ----------
    name : str
        Label of the contrast, or ``ROI x ROI connectome``.
    n_participants, n_values : int
        Voxels, or pairs of ROIs.
    median_r, median_abs_r, max_abs_r : float
    share_p : float
        Share of values with p < 0.05, uncorrected; 0.05 is expected without a relation.
    share_fdr : float
        Share with q < 0.05 (false discovery rate).
    """

    name: str
    n_participants: int
    n_values: int
    median_r: float
    median_abs_r: float
    max_abs_r: float
    share_p: float
    share_fdr: float


@dataclass(frozen=True)
class QcFcContent:
    """Relation of maps and connectome to mean FD over participants (QC-FC).

    Attributes
    ----------
    rows : sequence of QcFcRow
    remark : str
        Why something is not available (no FD, few participants); may be empty.
    edges : array of shape (n_pairs,) or None
        r of each pair of ROIs.
    distances_mm : array of shape (n_pairs,) or None
        Distance of the ROIs; None for ROI maps that are not compact.
    distance_r : float or None
        Spearman correlation of `edges` with `distances_mm`.
    distance_remark : str
        Why there is no dependence on distance; empty otherwise.
    """

    rows: Sequence[QcFcRow]
    remark: str = ""
    edges: Floats | None = None
    distances_mm: Floats | None = None
    distance_r: float | None = None
    distance_remark: str = ""


@dataclass(frozen=True)
class GroupSetContent:
    """Group statistics of maps with equal task, acquisition, model and settings.

    Attributes
    ----------
    name : str
    facts : dict of str to str
        Words by heading: participants, sessions, contrasts, model, settings, ...
    warnings : sequence of PageWarning
    columns : sequence of Column
        Of the table of sessions.
    rows : sequence of SessionRow
    outliers : sequence of Outlier
    map_groups : sequence of MapGroup
    design : DesignContent or None
    design_refusal : str
        Why a design that was given is not tested in this set; empty otherwise.
    qc_fc : QcFcContent or None
    similarity : sequence of Similarity
    identification : sequence of IdentificationRow
    icc : sequence of IccRow
    individuality_remarks : sequence of str
        Why parts of individuality are not available.
    embedding : Embedding or None
    participants : sequence of str
        Participants with maps in any average, for example ``sub-01``.
    table : str
        Path of the table with all rows, relative to the page.
    rows_remark : str
        Which rows are shown; empty for all.
    """

    name: str
    facts: Mapping[str, str]
    columns: Sequence[Column]
    rows: Sequence[SessionRow]
    warnings: Sequence[PageWarning] = ()
    outliers: Sequence[Outlier] = ()
    map_groups: Sequence[MapGroup] = ()
    design: DesignContent | None = None
    qc_fc: QcFcContent | None = None
    similarity: Sequence[Similarity] = ()
    identification: Sequence[IdentificationRow] = ()
    icc: Sequence[IccRow] = ()
    individuality_remarks: Sequence[str] = ()
    embedding: Embedding | None = None
    participants: Sequence[str] = ()
    table: str = ""
    rows_remark: str = ""
    design_refusal: str = ""


@dataclass(frozen=True)
class MissingSession:
    """Participant or session without maps, or whose maps cannot be used.

    Attributes
    ----------
    participant, session, reason : str
        `session` may be empty.
    page : str
        Relative link to the page of the participant; empty if there is none.
    """

    participant: str
    session: str
    reason: str
    page: str = ""


@dataclass(frozen=True)
class GroupContent:
    """Content of the page of a group.

    Attributes
    ----------
    title : str
    notice : str
        Notice of the model, for example that it is not for science; may be empty.
    facts : dict of str to str
        Words by heading, for the summary.
    sets : sequence of GroupSetContent
        One for each combination of task, acquisition, model and settings; shown one at a time.
    missing_sessions : sequence of MissingSession
    methods : str
        Text in Markdown for a methods section, with references.
    provenance : dict of str to str
        Versions, settings, command line.
    """

    title: str
    notice: str
    facts: Mapping[str, str]
    sets: Sequence[GroupSetContent]
    missing_sessions: Sequence[MissingSession] = ()
    methods: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
