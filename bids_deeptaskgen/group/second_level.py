"""Tests of a design at every voxel with nilearn: t, effect size, p values, permutations.

Values come in chunks of voxels of all participants, so that memory stays flat for parametric tests.
Permutations need the largest statistic over all voxels, and therefore all maps at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from nibabel import Nifti1Image
from numpy.typing import NDArray

from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.group.coverage import Coverage
from bids_deeptaskgen.group.design.plan import DesignPlan
from bids_deeptaskgen.machine import available_gb

Values = NDArray[np.float32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Chunks = Iterable[tuple[NDArray[np.intp], Values]]

# Voxels that are fitted together: nilearn holds several arrays of all participants in float64.
_FIT_VOXELS = 2048
# p values below the smallest normal float32 would be stored as 0.
_SMALLEST_P = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class EffectMaps:
    """Maps of an effect, arrays of the shape of a map.

    Attributes
    ----------
    t, effect, r : array of float32
        0 where no test was done. `effect` is in units of the maps, see `Effect.unit`; `r` is the partial
        correlation t / sqrt(t^2 + df).
    p, q : array of float32
        Two-sided, uncorrected; and false discovery rate of Benjamini and Hochberg over the tested voxels. 1
        where no test was done, so that no threshold selects these voxels.
    """

    t: Values
    effect: Values
    r: Values
    p: Values
    q: Values


@dataclass(frozen=True)
class SecondLevelFit:
    """Parametric tests of all effects of a design.

    Attributes
    ----------
    effects : dict of str to EffectMaps
        By label.
    tested : array of bool
        Voxels in which all participants have a value, and the values are not all equal.
    n_any : int
        Voxels in which any participant has a value.
    lost_voxels : dict of str to int
        Voxels that were not tested because of a participant alone, for participants with any; most first.
    lacking_voxels : dict of str to int
        Of `n_any`, voxels in which a participant has no value, for participants with any; most first.
    """

    effects: Mapping[str, EffectMaps]
    tested: Bools
    n_any: int
    lost_voxels: Mapping[str, int]
    lacking_voxels: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_voxels(self) -> int:
        """Return the number of tested voxels."""
        return int(np.count_nonzero(self.tested))


@dataclass(frozen=True)
class PermutationMaps:
    """Maps of an effect from permutations, arrays of the shape of a map.

    Attributes
    ----------
    p_max_t : array of float32
        Two-sided p corrected over the voxels (family-wise) by the distribution of the largest magnitude of t;
        1 where no test was done.
    p_tfce : array of float32 or None
        The same for threshold-free cluster enhancement.
    """

    p_max_t: Values
    p_tfce: Values | None = None


def fit_effects(plan: DesignPlan, chunks: Chunks, shape: tuple[int, ...]) -> SecondLevelFit:
    """Fit a design at every voxel with nilearn's second-level model.

    Parameters
    ----------
    plan : DesignPlan
    chunks : iterable of (array of shape (n_chunk,), array of shape (n_participants, n_chunk))
        Positions in the flattened map, and values in the order of `plan.participants`; 0 and NaN are no
        values. Each position occurs once.
    shape : tuple of int
        Shape of a map.

    Returns
    -------
    SecondLevelFit

    Raises
    ------
    InputError
        If there is no voxel with a value of all participants.
    """
    n_voxels = int(np.prod(shape))
    t = {effect.label: np.zeros(n_voxels) for effect in plan.effects}
    sizes = {effect.label: np.zeros(n_voxels) for effect in plan.effects}
    tested = np.zeros(n_voxels, bool)
    coverage = Coverage(plan.participants)
    for voxels, values in chunks:
        is_tested = coverage.add(values)
        tested[voxels[is_tested]] = True
        for part in _parts(np.flatnonzero(is_tested)):
            for label, (t_part, sizes_part) in _fit_chunk(plan, values[:, part]).items():
                t[label][voxels[part]] = t_part
                sizes[label][voxels[part]] = sizes_part
    if not tested.any():
        raise InputError(coverage.refusal())
    effects = {label: _effect_maps(t[label], sizes[label], tested, plan.dof, shape) for label in t}
    return SecondLevelFit(
        effects, tested.reshape(shape), coverage.n_any, coverage.lost_voxels(), coverage.lacking_voxels()
    )


def permute_effects(
    plan: DesignPlan, chunks: Chunks, tested: Bools, affine: Floats
) -> dict[str, PermutationMaps]:
    """Correct the effects of a design over voxels by permutations of participants with nilearn.

    Residuals without the effect are permuted (Freedman and Lane 1983, as in nilearn); for the mean change
    between sessions their signs are flipped.

    Parameters
    ----------
    plan : DesignPlan
        With the number of permutations, the seed and the number of processes in its request.
    chunks : iterable
        As in `fit_effects`.
    tested : array of bool, of the shape of a map
        Voxels to test, see `SecondLevelFit.tested`.
    affine : array of shape (4, 4)

    Returns
    -------
    dict of str to PermutationMaps
        By label of the effect.

    Raises
    ------
    UserError
        If the memory of the machine does not suffice.
    """
    n_voxels = int(np.count_nonzero(tested))
    _check_memory(plan, n_voxels)
    # The largest t does not depend on the positions of voxels, and a slab has no empty corners.
    mask = tested[_box(tested)] if plan.request.tfce else _slab(n_voxels)
    values = _collect(plan, chunks, tested)
    images = _images(values, mask, affine)
    maps = {}
    for effect in plan.effects:
        p_values = _permute(plan, effect.contrast, images, mask, affine)
        maps[effect.label] = PermutationMaps(*(_place(p, tested) for p in p_values))
    return maps


# Memory of permutations in arrays of all values in float64. Measured with 100 and 200 participants and
# 195,000 voxels: 4.5 to 5.7 with one process; of several, each adds 1.7 (permutations) to 3.0 (sign flips).
_ARRAYS = 6
_ARRAYS_PER_PROCESS = 3


def required_gb(plan: DesignPlan, n_voxels: int) -> float:
    """Estimate the memory of permutations in GiB.

    Parameters
    ----------
    plan : DesignPlan
    n_voxels : int
        Number of tested voxels.

    Returns
    -------
    float
    """
    n_processes = plan.request.n_processes
    n_arrays = _ARRAYS + (_ARRAYS_PER_PROCESS * n_processes if n_processes > 1 else 0)
    return n_arrays * len(plan.participants) * n_voxels * 8 / 2**30


def _parts(columns: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Split columns into parts that are fitted together."""
    for start in range(0, len(columns), _FIT_VOXELS):
        yield columns[start : start + _FIT_VOXELS]


def _slab(n_voxels: int) -> Bools:
    """Return the mask of a slab that holds voxels without regard to their positions."""
    width = max(int(np.ceil(np.sqrt(n_voxels))), 1)
    mask = np.zeros((width, -(-n_voxels // width), 1), bool)
    mask.reshape(-1)[:n_voxels] = True
    return mask


def _fit_chunk(plan: DesignPlan, values: Values) -> dict[str, tuple[Floats, Floats]]:
    """Return t and effect size of each effect, arrays of shape (n_chunk,).

    These are the functions that `nilearn.glm.second_level.SecondLevelModel` calls after it has made an array
    of its images; for 1,000 participants, images take ten times as long as the fit.
    """
    from nilearn.glm import compute_contrast  # slow to import
    from nilearn.glm.first_level import run_glm

    labels, results = run_glm(values, plan.matrix, noise_model="ols")
    tests = {
        effect.label: compute_contrast(labels, results, effect.contrast, stat_type="t")
        for effect in plan.effects
    }
    return {label: (np.ravel(test.stat()), np.ravel(test.effect_size())) for label, test in tests.items()}


def _effect_maps(t: Floats, effect: Floats, tested: Bools, dof: int, shape: tuple[int, ...]) -> EffectMaps:
    """Derive p values and correlations from t, and shape all as maps."""
    from scipy import stats  # slow to import

    values = t[tested]
    p = 2 * stats.t.sf(np.abs(values), dof)
    q = stats.false_discovery_control(p)
    full_tested = tested.reshape(shape)
    return EffectMaps(
        t=t.reshape(shape).astype(np.float32),
        effect=effect.reshape(shape).astype(np.float32),
        r=_place(values / np.sqrt(values**2 + dof), full_tested, fill=0),
        p=_place(p, full_tested),
        q=_place(q, full_tested),
    )


def _place(values: Floats, tested: Bools, fill: float = 1) -> Values:
    """Place the values of tested voxels into a map; p values do not become 0 in float32."""
    place = np.full(tested.shape, fill, np.float32)
    place[tested] = np.maximum(values, _SMALLEST_P) if fill else values
    return place


def _box(tested: Bools) -> tuple[slice, ...]:
    """Return the smallest box around voxels."""
    spans = []
    for axis in range(tested.ndim):
        is_inside = np.flatnonzero(tested.any(axis=tuple(set(range(tested.ndim)) - {axis})))
        spans.append(slice(int(is_inside[0]), int(is_inside[-1]) + 1))
    return tuple(spans)


def _check_memory(plan: DesignPlan, n_voxels: int) -> None:
    required, available = required_gb(plan, n_voxels), available_gb()
    if required > available:
        message = (
            f"Permutations need about {required:.1f} GB of memory for {len(plan.participants)} participants "
            f"and {n_voxels} voxels in {plan.request.n_processes} processes; this process may use "
            f"{available:.1f} GB. Reduce `nprocs`, use a machine with more memory, or set `n_permutations` "
            "to 0."
        )
        raise UserError(message)


def _collect(plan: DesignPlan, chunks: Chunks, tested: Bools) -> Values:
    """Collect the values of the tested voxels, shape (n_participants, n_tested)."""
    flat = tested.ravel()
    positions = np.cumsum(flat) - 1
    values = np.zeros((len(plan.participants), int(np.count_nonzero(flat))), np.float32)
    for voxels, chunk in chunks:
        is_tested = flat[voxels]
        values[:, positions[voxels[is_tested]]] = chunk[:, is_tested]
    return values


def _images(values: Values, mask: Bools, affine: Floats) -> list[Nifti1Image]:
    """Return an image per participant."""
    images = []
    for row in values:
        data = np.zeros(mask.shape, np.float32)
        data[mask] = row
        images.append(Nifti1Image(data, affine))
    return images


def split_design(matrix: Floats, contrast: Floats) -> tuple[Floats, Floats]:
    """Split a design matrix into the tested effect and nuisance columns.

    nilearn takes every column with a weight in the contrast out of the nuisance columns, so that the test of
    a difference of two columns would lack their sum. The coefficients b are therefore expressed as c'b along
    the contrast c, and as N'b in its null space N: X b = X c / (c'c) c'b + X N N'b.

    Parameters
    ----------
    matrix : array of shape (n_participants, n_columns)
        The first column is the intercept.
    contrast : array of shape (n_columns,)

    Returns
    -------
    tested : array of shape (n_participants,)
        Its coefficient in the regression on both is the effect.
    nuisance : array of shape (n_participants, n_columns - 1 or less)
        Orthonormal; without the intercept unless that is tested.
    """
    from scipy import linalg  # slow to import

    tested = matrix @ contrast / (contrast @ contrast)
    nuisance = matrix @ linalg.null_space(contrast[np.newaxis])
    if not contrast[0]:
        # nilearn adds an intercept. With a constant column among the nuisance columns, it would flip signs
        # instead of permuting participants.
        nuisance = nuisance - nuisance.mean(axis=0)
    return tested, linalg.orth(nuisance, rcond=np.sqrt(np.finfo(np.float64).eps))


def _permute(
    plan: DesignPlan, contrast: Floats, images: list[Nifti1Image], mask: Bools, affine: Floats
) -> list[Floats]:
    """Return the corrected p of the tested voxels by max-T, and by TFCE if requested."""
    import pandas as pd
    from nilearn.glm.second_level import non_parametric_inference  # slow to import

    tested, nuisance = split_design(plan.matrix, contrast)
    names = [f"nuisance{number}" for number in range(nuisance.shape[1])]
    design = pd.DataFrame(np.column_stack([tested, nuisance]), columns=["tested", *names])
    request = plan.request
    results = non_parametric_inference(
        images,
        design_matrix=design,
        second_level_contrast="tested",
        mask=Nifti1Image(mask.astype(np.uint8), affine),
        model_intercept=not contrast[0],
        n_perm=request.n_permutations,
        two_sided_test=True,
        random_state=request.random_seed,
        n_jobs=min(request.n_processes, request.n_permutations),
        tfce=request.tfce,
    )
    logs = [results["logp_max_t"], results["logp_max_tfce"]] if request.tfce else [results]
    return [10 ** -image.get_fdata()[mask] for image in logs]
