import numpy as np
import pytest

from bids_deeptaskgen.connectome.template_masks import brain_mask
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.simulation.anatomy import SmoothFields, anatomy
from bids_deeptaskgen.simulation.confounds import ConfoundSampler, confounds_table
from bids_deeptaskgen.simulation.participant import simulate_participant
from bids_deeptaskgen.simulation.population import population
from bids_deeptaskgen.simulation.resting_state import RestSettings, head_motion, resting_signals

# Every fourth point of the model's grid, and the same points from left to right.
COARSE = Grid.from_image(
    (19, 24, 20), np.array([[-8.0, 0, 0, 76], [0, 8, 0, -108], [0, 0, 8, -72], [0, 0, 0, 1]])
)
COARSE_RAS = Grid.from_image(
    (19, 24, 20), np.array([[8.0, 0, 0, -68], [0, 8, 0, -108], [0, 0, 8, -72], [0, 0, 0, 1]])
)
STILL = RestSettings(n_volumes=200, motion=0, drift=0)


@pytest.fixture(scope="module")
def participants():
    return [simulate_participant(0, index, grid=COARSE) for index in range(4)]


def correlate(one, other):
    one, other = one - one.mean(axis=-1, keepdims=True), other - other.mean(axis=-1, keepdims=True)
    return (one * other).sum(axis=-1) / np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))


def run_of(participant, settings, **which):
    return np.concatenate([block.copy() for block in participant.rest_blocks(settings, **which)])


def seed_maps(voxels, seeds):
    """Correlation of a few voxels with all; (n_seeds, n_voxels)."""
    voxels = voxels - voxels.mean(axis=0)
    voxels = voxels / np.sqrt((voxels**2).sum(axis=0))
    return voxels[:, seeds].T @ voxels


def expected_covariance(participant, seeds):
    """Covariance of voxels that the networks alone would give; (n_seeds, n_voxels)."""
    signals = population().mixing @ participant.topography
    return signals[:, seeds].T @ signals


def peaks(participant):
    return np.unique(participant.topography.argmax(axis=1))


def test_the_same_seed_and_index_give_the_same_participant(participants):
    again = simulate_participant(0, 2, grid=COARSE)
    np.testing.assert_array_equal(again.topography, participants[2].topography)
    np.testing.assert_array_equal(again.statmaps(), participants[2].statmaps())
    short = RestSettings(n_volumes=12)
    np.testing.assert_array_equal(run_of(again, short), run_of(participants[2], short))


def test_participants_differ_in_the_places_of_their_networks(participants):
    others = simulate_participant(1, 0, grid=COARSE)
    r = [
        correlate(participants[0].topography, other.topography).mean()
        for other in (*participants[1:], others)
    ]
    assert max(r) < 0.95
    assert min(r) > 0.4, "but all are participants"


def test_a_participant_is_the_same_in_las_and_ras(participants):
    mirrored = simulate_participant(0, 0, grid=COARSE_RAS)
    volumes = np.zeros((2, *COARSE.shape), np.float32)
    for volume, participant in zip(volumes, (participants[0], mirrored), strict=True):
        volume[participant.anatomy.head] = participant.topography.sum(axis=0)
    assert volumes[0].any()
    np.testing.assert_allclose(volumes[0], volumes[1][::-1], atol=1e-5)


def test_networks_are_in_the_brain_and_mostly_in_grey_matter(participants):
    where = simulate_participant(0, 0, grid=COARSE, margin=True)
    assert (where.topography[:, ~where.anatomy.in_brain] == 0).all()
    share = where.topography.sum(axis=0)
    assert share[where.anatomy.grey > 0.8].mean() > 2 * share[where.anatomy.white > 0.8].mean()


def test_the_map_of_a_difference_is_the_difference_of_the_maps(participants):
    names = [contrast.source_name for contrast in load_contrasts()]
    maps = participants[0].statmaps(noise=0)
    for task, first, second in [("LANGUAGE", "MATH", "STORY"), ("WM", "2BK", "0BK"), ("MOTOR", "LF", "AVG")]:
        a, b, both = (maps[names.index(f"{task} {name}")] for name in (first, second, f"{first}-{second}"))
        np.testing.assert_allclose(both, a - b, atol=1e-4)
        assert np.abs(both).max() > 0.5


def test_the_left_hand_is_on_the_right_of_the_brain(participants):
    names = [contrast.source_name for contrast in load_contrasts()]
    for participant in participants:
        maps = participant.statmaps(noise=0)
        x, _, z = participant.anatomy.coordinates_mm
        for hand, side in (("LH", 1), ("RH", -1)):
            # The hottest voxel lies in the motor strip of the other side.
            hottest = maps[names.index(f"MOTOR {hand}-AVG")].argmax()
            assert x[hottest] * side > 10
            assert z[hottest] > 20


def test_noise_makes_retest_maps_correlate_as_its_size_says(participants):
    retest = correlate(participants[0].statmaps(0.8), participants[0].statmaps(0.8, session=1)).mean()
    assert retest == pytest.approx(1 / (1 + 0.8**2), abs=0.05)


def test_task_maps_are_in_units_like_z(participants):
    maps = np.stack([participant.statmaps() for participant in participants])
    assert 3 < np.median(np.abs(maps).max(axis=-1)) < 12
    assert (maps[..., ~participants[0].anatomy.in_brain] == 0).all()


def raw_and_cleaned(participant, settings, **which):
    """A run as it is, and after components, motion and cosines are regressed out; (n_volumes, n_voxels)."""
    run = participant.rest_run(settings, **which)
    sampler = ConfoundSampler(run.anatomy)
    voxels = []
    for block in run.blocks():
        sampler.add(block)
        voxels.append(block.copy())
    raw = np.concatenate(voxels)
    table, _ = confounds_table(run, sampler.series())
    wanted = table.columns.str.match(r"[cw]_comp_cor_0[0-4]|cosine|(trans|rot)_[xyz](_derivative1)?$")
    design = table.loc[:, wanted].fillna(0).assign(intercept=1.0).to_numpy()
    basis, values, _ = np.linalg.svd(
        design / np.maximum(np.abs(design).max(axis=0), 1e-9), full_matrices=False
    )
    basis = basis[:, values > 1e-9]
    return raw, raw - basis @ (basis.T @ raw)


def test_resting_correlations_follow_the_participants_topography(participants):
    for participant, other in zip(participants, participants[1:], strict=False):
        seeds = peaks(participant)
        _, voxels = raw_and_cleaned(participant, STILL)
        found = seed_maps(voxels, seeds)
        own = correlate(found, expected_covariance(participant, seeds)).mean()
        others_own = correlate(found, expected_covariance(other, seeds)).mean()
        assert own > 0.4
        assert own > others_own + 0.1


def test_cleaning_brings_resting_correlations_nearer_to_the_topography(participants):
    seeds = peaks(participants[0])
    runs = raw_and_cleaned(participants[0], RestSettings(n_volumes=200, motion=2, drift=2))
    truth = expected_covariance(participants[0], seeds)
    before, after = (correlate(seed_maps(run, seeds), truth).mean() for run in runs)
    assert after > before + 0.05


def test_runs_and_sessions_have_other_signals_of_the_same_networks(participants):
    runs = [raw_and_cleaned(participants[0], STILL, session=s, run=r)[1] for s, r in ((0, 0), (0, 1), (1, 0))]
    seeds = peaks(participants[0])
    for other in runs[1:]:
        assert abs(correlate(runs[0].T, other.T).mean()) < 0.05
        assert correlate(seed_maps(runs[0], seeds), seed_maps(other, seeds)).mean() > 0.2


def test_the_size_of_the_blocks_does_not_matter(participants):
    run = participants[0].rest_run(RestSettings(n_volumes=20))
    for n_block in (1, 7, 64):
        blocks = np.concatenate([block.copy() for block in run.blocks(n_block)])
        np.testing.assert_allclose(blocks, np.concatenate([b.copy() for b in run.blocks(16)]), rtol=1e-5)


def test_brightness_is_in_the_thousands_inside_and_low_around_the_brain():
    participant = simulate_participant(0, 0, grid=COARSE, margin=True)
    mean = run_of(participant, RestSettings(n_volumes=20)).mean(axis=0)
    in_brain = participant.anatomy.in_brain
    assert 5000 < np.median(mean[in_brain]) < 12_000
    assert 0 < np.median(mean[~in_brain]) < 0.2 * np.median(mean[in_brain])
    tsnr = participant.anatomy.mean / run_of(participant, RestSettings(n_volumes=60)).std(axis=0)
    assert 25 < np.median(tsnr[in_brain]) < 120


def test_only_dummy_scans_are_brighter(participants):
    volumes = run_of(participants[0], RestSettings(n_volumes=20, n_dummies=3, motion=0, drift=0)).mean(axis=1)
    assert (volumes[:2] > 1.03 * volumes[4:].mean()).all()
    assert volumes[0] > volumes[1] > volumes[2]
    assert np.ptp(volumes[3:]) < 0.05 * volumes.mean()


def test_no_motion_and_no_drift_mean_none(participants):
    run = participants[0].rest_run(STILL)
    assert (run.motion == 0).all()
    moved = participants[0].rest_run(RestSettings(n_volumes=200, drift=0))
    assert moved.motion.any()
    slow = np.linspace(-1, 1, 200)
    drifting = participants[0].rest_run(RestSettings(n_volumes=200, motion=0, drift=3))
    r = [
        np.abs(correlate(np.concatenate([b.copy() for b in r.blocks()]).T, slow)).mean()
        for r in (run, drifting)
    ]
    assert r[1] > r[0] + 0.2


def test_twice_the_motion_is_twice_the_displacement():
    motions = [head_motion(RestSettings(motion=m), np.random.default_rng(0)) for m in (1.0, 2.0)]
    np.testing.assert_allclose(2 * motions[0], motions[1])
    assert (motions[0][0] == 0).all(), "the first volume is the reference"


def test_resting_signals_have_variance_one_mostly_between_a_hundredth_and_a_tenth_hz():
    settings = RestSettings(n_volumes=600, t_r=1.0)
    signals = resting_signals(100, settings, np.random.default_rng(0))
    assert signals.var() == pytest.approx(1, rel=0.1)
    power = (np.abs(np.fft.rfft(signals, axis=0)) ** 2).sum(axis=1)
    frequency = np.fft.rfftfreq(600, 1.0)
    assert power[(frequency >= 0.008) & (frequency <= 0.11)].sum() > 0.85 * power.sum()


def test_a_run_that_is_too_short_is_refused():
    with pytest.raises(UserError, match="at least 10"):
        RestSettings(n_volumes=12, n_dummies=5)


def test_smooth_fields_have_variance_one_everywhere_and_fall_off_with_distance():
    fields = SmoothFields(COARSE, 40.0).draw(np.random.default_rng(0), 800)
    assert np.abs(fields.var(axis=0) - 1).max() < 0.35
    assert np.abs(fields.var(axis=0).mean() - 1) < 0.02
    neighbours, far = ((fields[:, 4] * fields[:, 4 + step]).mean() for step in (1, 12))
    assert neighbours > 0.8
    assert abs(far) < 0.1


def test_tissues_share_each_voxel_of_the_brain():
    where = anatomy(COARSE, margin=True)
    np.testing.assert_array_equal(where.head[brain_mask(COARSE)], True)
    np.testing.assert_array_equal(where.in_brain, brain_mask(COARSE)[where.head])
    total = where.grey + where.white + where.csf
    assert (total[~where.in_brain] == 0).all()
    assert ((total[where.in_brain] > 0.99) & (total[where.in_brain] < 1.2)).all()
