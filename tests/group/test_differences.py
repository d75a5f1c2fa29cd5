"""Tests of differences between participants, from the options to the maps."""

import json
import shutil

import numpy as np
import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.plan import plan_design, restrict_plan
from bids_deeptaskgen.group.differences import ContrastTest, make_observations
from bids_deeptaskgen.group.individuality import Identification
from bids_deeptaskgen.group.map_rows import RowPlan
from bids_deeptaskgen.group.second_level import SecondLevelFit
from bids_deeptaskgen.group.set_analysis import SetResults, describe_losses
from tests.group.dataset import AGE_PART, SHAPE, Plan, add_session, make_dataset
from tests.group.designs import observations, request
from tests.group.running import effect, group_path, run, sidecar, state, table
from tests.inprocess import call


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Write sixteen participants with one session and a planted effect of age."""
    folder = tmp_path_factory.mktemp("single") / "out"
    return make_dataset(
        folder, n=16, sessions=(None,), contrasts=("wm2bk",), age_slope=0.08, fd_slope=8.0, individual=0.5
    )


def facts(output, name="age"):
    return sidecar(output, "t", kind="group_effect_statmap", effect=name)["DeepTaskGen"]


def without_fd(output, labels):
    for label in labels:
        for path in output.glob(f"sub-{label}/**/*_desc-qc_metrics.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"fd_mean_mm": None}))


def copy(single, tmp_path):
    return shutil.copytree(single.folder, tmp_path / "out", ignore=shutil.ignore_patterns("group"))


def test_covariates_are_motion_amount_of_data_quality_and_site(single):
    assert run(single.folder, design="age") == 0
    columns = facts(single.folder)["Columns"]
    assert columns[:2] == ["intercept", "age"]
    assert columns[2:5] == ["mean_fd", "minutes", "tsnr"]
    assert len(columns) == 6
    assert "site" in columns[5]
    assert facts(single.folder)["DegreesOfFreedom"] == 16 - 6
    assert effect(single.folder, "effect")[AGE_PART].mean() == pytest.approx(0.08, abs=0.03)


def test_covariates_can_be_turned_off(single):
    assert run(single.folder, design="age", covariates=("none",)) == 0
    assert facts(single.folder)["Columns"] == ["intercept", "age"]
    ended = call(single.folder, single.folder, "group", "--design=age", "--covariates=none", "--reports=none")
    assert "Covariates were switched off" in ended.err


def test_effects_of_two_terms_have_their_own_maps(single):
    assert run(single.folder, design="age + sex", covariates=("none",)) == 0
    rows = table(single.folder, "group_effects")
    assert [row["effect"] for row in rows] == ["age", "sex: M - F"]
    assert float(rows[0]["peak_t"]) > 3
    sex = effect(single.folder, "effect", "sexMMinusF")
    maps = single.participant_maps("wm2bk").reshape(16, -1)
    design = np.column_stack([np.ones(16), single.age, [number % 2 for number in range(16)]])
    expected = np.linalg.lstsq(design, maps, rcond=None)[0][2]
    np.testing.assert_allclose(sex.ravel(), expected, rtol=1e-3, atol=1e-4)


def test_participants_without_fd_are_excluded_by_default_and_named(single, tmp_path):
    output = copy(single, tmp_path)
    without_fd(output, ("03", "04"))
    ended = call(output, output, "group", "--design=age", "--covariates=mean_fd", "--reports=none")
    assert ended.code == 0
    assert facts(output)["NumberOfParticipants"] == 14
    for label in ("03", "04"):
        assert f"sub-{label}: not in the tests: no value of the covariate mean_fd" in ended.err


def test_fd_can_be_dropped_for_all_if_some_lack_it(single, tmp_path):
    output = copy(single, tmp_path)
    without_fd(output, ("03", "04"))
    assert run(output, design="age", covariates=("mean_fd",), missing_covariates="drop") == 0
    assert facts(output)["NumberOfParticipants"] == 16
    assert facts(output)["Columns"] == ["intercept", "age"]


def test_minutes_of_runs_with_their_own_maps_are_summed():
    metrics = [{"minutes_kept": 4.0, "tsnr_median": 40.0}, {"minutes_kept": 6.0, "tsnr_median": 60.0}]
    rows = [{"participant_id": "sub-01", "session_id": "ses-1", "age": "30", **values} for values in metrics]
    (observation,) = make_observations(rows, {})
    assert observation.columns == {"minutes_kept": 10.0, "tsnr_median": 50.0, "age": "30"}
    (observation,) = make_observations([*rows, rows[0] | {"minutes_kept": None}], {})
    assert observation.columns["minutes_kept"] is None


def test_relatives_are_reduced_to_one_per_family_or_not_permuted(single, tmp_path):
    output = copy(single, tmp_path)
    assert run(output) == 0
    before = state(output)
    words = ("--design=age", "--covariates=none", "--reports=none", "--nprocs=1", "--n-permutations=20")
    ended = call(output, output, "group", *words)
    assert ended.code == 2
    assert "2 participants have relatives among the participants (1 family)" in ended.sentence
    assert "--one-per-family" in ended.sentence
    assert state(output) == before
    assert call(output, output, "group", *words, "--one-per-family").code == 0
    assert facts(output)["NumberOfParticipants"] == 15
    names = {row["participant_id"] for row in table(output, "group_design")}
    assert len(names & {"sub-01", "sub-02"}) == 1
    p = effect(output, "pMaxT")
    assert p.min() == pytest.approx(1 / 21, rel=1e-3)
    assert p[AGE_PART].mean() < p[3:].mean()


def test_a_change_between_sessions_is_tested_against_zero(tmp_path):
    cohort = make_dataset(
        tmp_path / "out", n=10, sessions=("pre", "post"), contrasts=("wm2bk",), session_change=0.5, noise=0.2
    )
    options = {"session_difference": "post-pre", "covariates": ("none",)}
    assert run(cohort.folder, **options) == 0
    (row,) = table(cohort.folder, "group_effects")
    differences = np.array(
        [
            cohort.maps[label, "post", None, "wm2bk"] - cohort.maps[label, "pre", None, "wm2bk"]
            for label in cohort.plan.labels
        ]
    )
    path = next((cohort.folder / "group").glob("*_stat-effect_*statmap.nii.gz"))
    name = path.name.partition("_desc-")[2].partition("_")[0]
    np.testing.assert_allclose(effect(cohort.folder, "effect", name), differences.mean(axis=0), atol=1e-4)
    t = differences.mean(axis=0) / differences.std(axis=0, ddof=1) * np.sqrt(10)
    np.testing.assert_allclose(effect(cohort.folder, "t", name), t, rtol=1e-3)
    assert int(row["n_fdr"]) > 0.9 * t.size
    # The other direction has the other sign.
    assert run(cohort.folder, **(options | {"session_difference": "pre-post"})) == 0
    path = next((cohort.folder / "group").glob("*_stat-effect_*statmap.nii.gz"))
    name = path.name.partition("_desc-")[2].partition("_")[0]
    np.testing.assert_allclose(effect(cohort.folder, "effect", name), -differences.mean(axis=0), atol=1e-4)


def add_small_set(output, *labels):
    """Add maps of other settings."""
    plan = Plan(settings_hash="b" * 64, contrasts=("wm2bk",))
    for label in labels:
        metrics = {"fd_mean_mm": 0.1}
        add_session(
            output, label, None, {"wm2bk": np.full(SHAPE, 1.0 + int(label))}, metrics=metrics, plan=plan
        )


def test_a_small_set_does_not_prevent_the_tests_of_another(single, tmp_path):
    output = copy(single, tmp_path)
    add_small_set(output, "21", "22")
    ended = call(output, output, "group", "--design=age", "--covariates=none", "--nprocs=1")
    assert ended.code == 1
    assert "settings-bbbbbbbb: the design is not tested in this set: " in ended.err
    folder = output / "group"
    assert list((folder / "settings-aaaaaaaa").glob("*_desc-age_statmap.nii.gz"))
    assert not list((folder / "settings-bbbbbbbb").glob("*_desc-age_statmap.nii.gz"))
    assert list((folder / "settings-bbbbbbbb").glob("*_stat-mean_*"))
    page = (output / "group.html").read_text()
    assert "The design is not tested in this set of maps: " in page
    assert "No design was given" not in page


def test_a_design_that_no_set_can_test_is_refused_with_the_names_of_the_sets(single, tmp_path):
    output = copy(single, tmp_path)
    add_small_set(output, "21", "22")
    words = ("--design=age", "--covariates=none", "--reports=none", "--exclude-participant-label")
    ended = call(output, output, "group", *words, *(f"{number:02d}" for number in range(4, 17)))
    assert ended.code == 2
    assert "task-rest settings-aaaaaaaa: The design has 3 participants" in ended.sentence
    assert "task-rest settings-bbbbbbbb: " in ended.sentence
    assert not (output / "group").exists()
    ended = call(output, output, "group", "--design=agee", "--reports=none")
    assert ended.code == 2


def contrast_test(plan, participants):
    """Test a contrast whose map these participants have."""
    row_plan = RowPlan(plan.participants, {}, {}, {})
    return ContrastTest(plan, row_plan, {plan.participants.index(label) for label in participants})


def test_a_contrast_without_the_map_of_some_is_tested_in_the_others():
    plan = plan_design(observations(), request("age + sex"))
    restricted = contrast_test(plan, plan.participants[5:]).plan
    assert restricted.participants == plan.participants[5:]
    np.testing.assert_array_equal(restricted.matrix, plan.matrix[5:])
    assert restricted.dof == plan.dof - 5


@pytest.mark.parametrize(
    ("design", "rows", "words"),
    [
        ("sex", [0, *range(1, 40, 2)], "one alone has the sex M"),
        ("sex", range(0, 40, 2), "constant columns: sex"),
        ("age + sex", range(4), "The design has 4 participants for 3 columns"),
        ("group", [*range(0, 39, 3), *range(1, 39, 3)], "constant columns: group.C."),
    ],
)
def test_a_contrast_is_not_tested_if_the_participants_with_maps_do_not_suffice(design, rows, words):
    plan = plan_design(observations(), request(design))
    with pytest.raises(UserError, match=words):
        contrast_test(plan, [f"{row:02d}" for row in rows])


def test_permutations_of_the_participants_with_maps_must_reach_significance():
    rows = observations(sessions=("pre", "post"))
    plan = plan_design(rows, request(None, session_difference="post-pre", n_permutations=100))
    with pytest.raises(UserError, match="Permutations of 5 participants have 16 different results"):
        restrict_plan(plan, plan.participants[:5])


def test_the_table_of_effects_has_the_participants_of_each_contrast(tmp_path):
    output = make_dataset(tmp_path / "out", n=10, sessions=(None,)).folder
    for label in ("04", "06", "08", "10"):
        (path,) = output.glob(f"sub-{label}/**/*_contrast-motorLh_*statmap.nii.gz")
        path.write_bytes(path.read_bytes()[:500])
    assert run(output, design="age", covariates=("none",)) == 1
    rows = {row["contrast"]: row for row in table(output, "group_effects")}
    assert (rows["wm2bk"]["n_participants"], rows["wm2bk"]["dof"]) == ("10", "8")
    assert (rows["motorLh"]["n_participants"], rows["motorLh"]["dof"]) == ("6", "4")


def loss(n_tested, alone, lacking):
    tested = np.arange(1000) < n_tested
    return describe_losses(SecondLevelFit({}, tested, 1000, alone, lacking))


def test_lost_voxels_are_noted_whether_one_or_several_participants_lack_them():
    assert loss(980, {"01": 20}, {"01": 20}) == ""
    note = loss(950, {"01": 50}, {"01": 50})
    assert note.startswith("50 of 1000 voxels with any value are not tested. sub-01 alone has no value in 50")
    note = loss(600, {"02": 3}, {"01": 400, "03": 397, "02": 3})
    assert "alone" not in note
    assert note.startswith("400 of 1000 voxels with any value are not tested.")
    assert "sub-01 (400), sub-03 (397), sub-02 (3)" in note
    assert "equal" in loss(600, {}, {})


def test_equal_notes_on_contrasts_are_one():
    results = SetResults(None, Identification([]))
    for label, note in (("a", "x"), ("b", "y"), ("c", "x")):
        results.add_note(label, note)
    assert results.notes == ["a, c: x", "b: y"]


def test_voxels_that_two_participants_lack_are_noted_on_the_page(single, tmp_path):
    output = copy(single, tmp_path)
    for label in ("03", "04"):
        block = single.maps[label, None, None, "wm2bk"].copy()
        block[6:] = 0
        add_session(output, label, None, {"wm2bk": block}, metrics={"fd_mean_mm": 0.1})
    assert run(output, design="age", covariates=("none",), reports="full") == 0
    page = (output / "group.html").read_text()
    assert "wm2bk: 192 of 480 voxels with any value are not tested." in page
    assert "sub-03 (192), sub-04 (192)" in page


def test_a_session_that_no_one_has_is_refused(output):
    with pytest.raises(UserError, match="3"):
        run(output, session_difference="3-1")
    assert not (output / "group").exists()


@pytest.mark.parametrize(
    ("design", "words"),
    [
        ("1", "intercept"),
        ("age + agee", "agee"),
        ("age +", "design"),
        ("participant_id", ""),
        ("constant", "constant"),
    ],
)
def test_designs_that_cannot_be_tested_are_refused_before_maps_are_read(single, tmp_path, design, words):
    output = copy(single, tmp_path)
    path = output / "participants.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f"{line}\t{'constant' if not i else 1}" for i, line in enumerate(lines)) + "\n")
    for image in output.glob("sub-*/**/*.nii.gz"):
        image.write_bytes(b"unread")
    ended = call(output, output, "group", f"--design={design}", "--covariates=none", "--reports=none")
    assert ended.code == 2
    assert words in ended.sentence
    assert not (output / "group").exists()


def test_a_design_that_is_no_longer_asked_for_leaves_no_maps(output):
    run(output, design="age", covariates=("none",))
    assert group_path(output, "group_design").exists()
    run(output)
    assert not list((output / "group").glob("*desc-age*"))
    assert not group_path(output, "group_design").exists()
