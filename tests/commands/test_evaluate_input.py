"""What an evaluation says of people, contrasts and tables that do not go together."""

import json

import numpy as np
import pytest

from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.evaluation.study import read_families
from tests.commands.test_evaluate import CONTRASTS, population, settings_of, table, value, write


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write predicted and measured maps of three participants."""
    root, maps = tmp_path_factory.mktemp("data"), population()
    write(root / "measured", maps, range(3))
    write(root / "good", maps, range(3), desc="predicted", seed=3)
    return root


def facts(out):
    return json.loads((out / "evaluation.json").read_text("utf-8"))


def test_a_table_of_paths_will_do_as_measured_maps(data, tmp_path):
    paths = {
        (participant, label): next((data / "measured" / participant).glob(f"func/*contrast-{label}_*"))
        for participant in ("sub-00", "sub-01", "sub-02")
        for label in CONTRASTS
    }
    rows = [f"{participant}\t{label}\t{path}" for (participant, label), path in paths.items()]
    listed = tmp_path / "maps.tsv"
    listed.write_text("\n".join(["participant_id\tcontrast\tpath", *rows]) + "\n")
    for name, measured in (("listed", listed), ("found", data / "measured")):
        evaluate.run(settings_of(data, tmp_path / name, measured=measured))
    assert table(tmp_path / "listed", "scores") == table(tmp_path / "found", "scores")


def test_a_table_of_participants_that_is_named_must_be_there(data, tmp_path):
    with pytest.raises(UserError, match=r"--participants-tsv .*nowhere\.tsv: no such file"):
        evaluate.run(settings_of(data, tmp_path / "out", participants_tsv=tmp_path / "nowhere.tsv"))
    assert not (tmp_path / "out").exists()


def test_families_that_were_asked_for_and_are_not_there_are_told_of(data, tmp_path, caplog):
    (tmp_path / "people.tsv").write_text("participant_id\tage\nsub-00\t30\n")
    evaluate.run(settings_of(data, tmp_path / "out", participants_tsv=tmp_path / "people.tsv"))
    assert (
        "people.tsv: has no column family_id (--family-column), so people count as not related" in caplog.text
    )
    assert facts(tmp_path / "out")["Families"].startswith("unknown")
    caplog.clear()
    evaluate.run(settings_of(data, tmp_path / "other"))
    assert "family" not in caplog.text


def test_participants_of_unknown_family_are_unrelated(tmp_path):
    (tmp_path / "people.tsv").write_text(
        "participant_id\tFamily_ID\nsub-1\tf\nsub-2\tf\nsub-3\tn/a\nsub-4\tnan\nsub-5\tNaN\nsub-6\t\n"
    )
    families, known = read_families(tmp_path / "people.tsv", "family_id", "1234567")
    assert known
    assert len(set(families)) == 6
    assert families[0] == families[1]


def test_selected_participants_without_data_are_reported(data, tmp_path, caplog):
    evaluate.run(settings_of(data, tmp_path / "out", participant_label=("00", "01", "99")))
    assert "--participant-label: 1 people are not both measured and predicted: sub-99." in caplog.text
    assert facts(tmp_path / "out")["Participants"] == ["00", "01"]


def test_contrasts_of_one_side_alone_are_left_out_or_named(data, tmp_path):
    item = {CONTRASTS[0]: population()[CONTRASTS[0]]}
    write(tmp_path / "measured", item, range(3))
    evaluate.run(settings_of(data, tmp_path / "out", measured=tmp_path / "measured"))
    assert {row["contrast"] for row in table(tmp_path / "out", "scores")} == {CONTRASTS[0]}
    request = settings_of(data, tmp_path / "no", measured=tmp_path / "measured", contrasts=(CONTRASTS[1],))
    with pytest.raises(InputError) as caught:
        evaluate.run(request)
    assert str(caught.value) == (
        f"No contrast of --contrasts {CONTRASTS[1]} is both predicted and measured.\n"
        f"Predicted: {CONTRASTS[1]}, {CONTRASTS[0]}.\nMeasured: {CONTRASTS[0]}."
    )
    with pytest.raises(UserError, match=r"predicted maps are of no such contrast .* Predicted: "):
        evaluate.run(settings_of(data, tmp_path / "no", contrasts=("nonsense",)))
    write(tmp_path / "predicted", {CONTRASTS[1]: population()[CONTRASTS[1]]}, range(3), desc="predicted")
    counterpart = {"measured": tmp_path / "measured", "predicted": (str(tmp_path / "predicted"),)}
    with pytest.raises(InputError, match=rf"of other contrasts \({CONTRASTS[0]}\) than .*{CONTRASTS[1]}"):
        evaluate.run(settings_of(data, tmp_path / "no", **counterpart))
    assert not (tmp_path / "no").exists()


def test_an_unknown_session_is_refused_with_a_list_of_sessions(data, tmp_path):
    maps = population()
    for session in ("a", "b"):
        write(tmp_path / "measured", maps, range(3), session=session)
    sessions = {"measured": tmp_path / "measured", "measured_session": "a", "retest_session": "b"}
    assert evaluate.run(settings_of(data, tmp_path / "out", **sessions)) == 0
    for wrong in ("measured_session", "retest_session"):
        with pytest.raises(InputError, match=r"is of session c \(found: ses-a, ses-b\)"):
            evaluate.run(settings_of(data, tmp_path / "no", **(sessions | {wrong: "c"})))
    with pytest.raises(InputError, match=r"is of session c \(found: none\)"):
        evaluate.run(settings_of(data, tmp_path / "no", measured_session="c"))


def test_a_single_participant_has_r_but_no_difference(data, tmp_path):
    evaluate.run(settings_of(data, tmp_path / "out", participant_label=("01",)))
    rows = table(tmp_path / "out", "scores")
    of = {"predictor": "good", "contrast": CONTRASTS[0]}
    assert value(rows, score="r", **of) > 0.9
    no = {"difference", "residual_r"}
    assert {row["value"] for row in rows if row["predictor"] == "good" and row["score"] in no} == {"n/a"}
    # With one participant, the average over the others is empty.
    assert {row["n_people"] for row in rows if row["predictor"] == "group average"} == {"0"}
    assert table(tmp_path / "out", "comparisons") == []


def test_matrices_of_the_evaluation_that_is_replaced_do_not_stay(data, tmp_path):
    evaluate.run(settings_of(data, tmp_path / "out"))
    evaluate.run(settings_of(data, tmp_path / "out", contrasts=CONTRASTS[:1], overwrite=True))
    (left,) = (tmp_path / "out" / "matrices").iterdir()
    assert CONTRASTS[0] in left.name
    assert np.load(left).shape == (3, 3)
