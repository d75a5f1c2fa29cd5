from dataclasses import replace

import numpy as np
import pytest

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.group.design.plan import plan_design
from tests.group.designs import observations, request


def repeated(**columns):
    return observations(sessions=("pre", "post"), **columns)


def change(rows, name):
    values = {(row.subject, row.session): row.columns[name] for row in rows}
    return np.array([values[f"{i:02d}", "post"] - values[f"{i:02d}", "pre"] for i in range(40)])


def test_sessions_of_a_participant_are_averaged():
    rows = repeated()
    plan = plan_design(rows, request("age", "mean_fd"))
    assert len(plan.participants) == 40
    assert plan.sessions["00"] == ("pre", "post")
    means = np.array([[row.columns["fd_mean_mm"] for row in rows[i : i + 2]] for i in range(0, 80, 2)]).mean(
        1
    )
    np.testing.assert_allclose(plan.matrix[:, 2], means - means.mean())


def test_text_that_differs_between_sessions_is_refused():
    rows = repeated()
    rows[1] = replace(rows[1], columns=rows[1].columns | {"sex": "F"})
    with pytest.raises(UserError, match="column sex differs between the sessions of sub-00: F, M"):
        plan_design(rows, request("sex"))
    plan_design(rows, request("age"))


def test_the_difference_of_sessions_is_tested_with_changes_of_motion_and_centred_traits():
    rows = repeated()
    plan = plan_design(rows, request("age + sex", "mean_fd", session_difference="post-pre"))
    assert plan.is_difference
    assert [effect.label for effect in plan.effects] == ["postMinusPre", "age", "sexMMinusF"]
    assert plan.effects[0].title == "change from pre to post"
    assert plan.sessions["07"] == ("post", "pre")
    np.testing.assert_allclose(plan.matrix[:, 1:3].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(plan.matrix[:, 3], change(rows, "fd_mean_mm"))


@pytest.mark.parametrize("design", [None, "1", "~1", ""])
def test_the_difference_of_sessions_needs_no_formula(design):
    plan = plan_design(repeated(), request(design, session_difference="ses-post-ses-pre"))
    assert [effect.label for effect in plan.effects] == ["postMinusPre"]
    assert plan.columns == ("intercept",)


def test_participants_without_both_sessions_are_excluded():
    plan = plan_design(repeated()[1:], request(None, session_difference="post-pre"))
    assert plan.excluded == {"00": "no maps of session pre"}


def test_sign_flips_of_few_participants_are_refused():
    def plan(n_participants):
        rows = observations(n_participants, sessions=("pre", "post"))
        return plan_design(rows, request(None, session_difference="post-pre", n_permutations=100))

    with pytest.raises(UserError, match="of 5 participants have 16 different results"):
        plan(5)
    plan(6)


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ("post", "does not name two different sessions"),
        ("pre-pre", "does not name two different sessions"),
        ("post-baseline", "names baseline, which has no maps. Sessions with maps: post, pre"),
    ],
)
def test_other_differences_are_refused(difference, message):
    with pytest.raises(UserError, match=message):
        plan_design(repeated(), request(None, session_difference=difference))


def test_a_difference_without_sessions_is_refused():
    with pytest.raises(UserError, match="The maps have no sessions"):
        plan_design(observations(), request(None, session_difference="post-pre"))


def test_functions_of_changes_are_refused():
    with pytest.raises(UserError, match="the rows are changes of mean_fd between sessions"):
        plan_design(repeated(), request("log(mean_fd)", session_difference="post-pre"))


def test_a_default_covariate_that_does_not_change_is_dropped():
    from bids_deeptaskgen.group.design.observations import DesignRequest

    rows = [replace(row, columns=row.columns | {"minutes_kept": 10.0}) for row in repeated()]
    plan = plan_design(rows, DesignRequest("age", session_difference="post-pre"))
    assert any(
        "minutes was dropped: it has the same change between sessions (0)" in note for note in plan.notes
    )
    assert plan.facts["Covariates"] == "mean_fd, tsnr, site"
