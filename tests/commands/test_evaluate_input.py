"""Messages of an evaluation about inconsistent participants, contrasts and tables."""

import json

import numpy as np
import pytest

from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.evaluation.study import read_families
from bids_deeptaskgen.settings.flags import with_flags
from tests.commands.test_evaluate import CONTRASTS, population, settings_of, table, value, write


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write predicted and measured maps of three participants."""
    root, maps = tmp_path_factory.mktemp("data"), population()
    write(root / "measured", maps, range(3))
    write(root / "good", maps, range(3), desc="predicted", seed=3)
    return root


def facts(out):
    """Read the description of an evaluation."""
    return json.loads((out / "evaluation.json").read_text("utf-8"))


def test_measured_maps_are_accepted_as_a_table_of_paths(data, tmp_path):
    paths = {
        (participant, label): next((data / "measured" / participant).glob(f"func/*contrast-{label}_*"))
        for participant in ("sub-00", "sub-01", "sub-02")
        for label in CONTRASTS
    }
    rows = [f"{participant}\t{label}\t{path}" for (participant, label), path in paths.items()]
    paths_table = tmp_path / "maps.tsv"
    paths_table.write_text("\n".join(["participant_id\tcontrast\tpath", *rows]) + "\n")
    for name, measured in (("table", paths_table), ("dataset", data / "measured")):
        evaluate.run(settings_of(data, tmp_path / name, measured=measured))
    assert table(tmp_path / "table", "scores") == table(tmp_path / "dataset", "scores")


def test_ids_of_tables_are_labels_in_any_spelling(data, tmp_path):
    ids = {"sub-00": "0", "sub-01": "sub-1", "sub-02": "002"}
    paths = {
        (participant, label): next((data / "measured" / participant).glob(f"func/*contrast-{label}_*"))
        for participant in ids
        for label in CONTRASTS
    }
    rows = [f"{ids[participant]}\t{label}\t{path}" for (participant, label), path in paths.items()]
    paths_table, families = tmp_path / "maps.tsv", tmp_path / "families.tsv"
    paths_table.write_text("\n".join(["Participant_ID\tcontrast\tpath", *rows]) + "\n")
    families.write_text("participant\tfamily_id\n0\ta\n1\ta\n2\tb\n")
    for name, measured in (("table", paths_table), ("dataset", data / "measured")):
        evaluate.run(settings_of(data, tmp_path / name, measured=measured, participants_tsv=families))
        assert facts(tmp_path / name)["Participants"] == ["00", "01", "02"]
        assert facts(tmp_path / name)["Families"].startswith("2 ")
    assert table(tmp_path / "table", "scores") == table(tmp_path / "dataset", "scores")


def test_a_missing_table_of_participants_is_refused(data, tmp_path):
    with pytest.raises(UserError, match=r"`participants_tsv` .*nowhere\.tsv: no such file"):
        evaluate.run(settings_of(data, tmp_path / "out", participants_tsv=tmp_path / "nowhere.tsv"))
    assert not (tmp_path / "out").exists()


def test_a_table_without_families_is_warned_about_if_it_was_requested(data, tmp_path, caplog):
    (tmp_path / "families.tsv").write_text("participant_id\tage\nsub-00\t30\n")
    evaluate.run(settings_of(data, tmp_path / "out", participants_tsv=tmp_path / "families.tsv"))
    assert "families.tsv: there is no column family_id (--family-column)" in with_flags(caplog.text)
    assert facts(tmp_path / "out")["Families"].startswith("unknown")
    caplog.clear()
    evaluate.run(settings_of(data, tmp_path / "other"))
    assert "family" not in caplog.text


def test_participants_without_a_family_are_separate_families(tmp_path):
    (tmp_path / "families.tsv").write_text(
        "participant_id\tFamily_ID\nsub-1\tf\nsub-2\tf\nsub-3\tn/a\nsub-4\tnan\nsub-5\tNaN\nsub-6\t\n"
    )
    families, has_families = read_families(tmp_path / "families.tsv", "family_id", "1234567")
    assert has_families
    assert len(set(families)) == 6
    assert families[0] == families[1]


def test_requested_participants_without_maps_are_warned_about(data, tmp_path, caplog):
    evaluate.run(settings_of(data, tmp_path / "out", participant_label=("00", "01", "99")))
    assert "--participant-label: 1 participants" in with_flags(caplog.text)
    assert "sub-99" in caplog.text
    assert facts(tmp_path / "out")["Participants"] == ["00", "01"]


def test_contrasts_that_are_not_both_measured_and_predicted_are_excluded_or_refused(data, tmp_path):
    maps = {CONTRASTS[0]: population()[CONTRASTS[0]]}
    write(tmp_path / "measured", maps, range(3))
    evaluate.run(settings_of(data, tmp_path / "out", measured=tmp_path / "measured"))
    assert {row["contrast"] for row in table(tmp_path / "out", "scores")} == {CONTRASTS[0]}
    settings = settings_of(data, tmp_path / "no", measured=tmp_path / "measured", contrasts=(CONTRASTS[1],))
    with pytest.raises(InputError) as caught:
        evaluate.run(settings)
    assert str(caught.value) == (
        f"No contrast of `contrasts` {CONTRASTS[1]} is both predicted and measured.\n"
        f"Predicted: {CONTRASTS[1]}, {CONTRASTS[0]}.\nMeasured: {CONTRASTS[0]}."
    )
    with pytest.raises(UserError, match=r"predicted maps are of no such contrast .* Predicted: "):
        evaluate.run(settings_of(data, tmp_path / "no", contrasts=("nonsense",)))
    write(tmp_path / "predicted", {CONTRASTS[1]: population()[CONTRASTS[1]]}, range(3), desc="predicted")
    changes = {"measured": tmp_path / "measured", "predicted": (str(tmp_path / "predicted"),)}
    with pytest.raises(InputError, match=rf"of other contrasts \({CONTRASTS[0]}\) than .*{CONTRASTS[1]}"):
        evaluate.run(settings_of(data, tmp_path / "no", **changes))
    assert not (tmp_path / "no").exists()


def test_a_session_without_maps_is_refused_with_a_list_of_sessions(data, tmp_path):
    maps = population()
    for session in ("a", "b"):
        write(tmp_path / "measured", maps, range(3), session=session)
    sessions = {"measured": tmp_path / "measured", "measured_session": "a", "retest_session": "b"}
    assert evaluate.run(settings_of(data, tmp_path / "out", **sessions)) == 0
    for option in ("measured_session", "retest_session"):
        with pytest.raises(InputError, match=r"is of session c \(found: ses-a, ses-b\)"):
            evaluate.run(settings_of(data, tmp_path / "no", **(sessions | {option: "c"})))
    with pytest.raises(InputError, match=r"is of session c \(found: none\)"):
        evaluate.run(settings_of(data, tmp_path / "no", measured_session="c"))


def test_a_single_participant_has_r_but_no_difference(data, tmp_path):
    evaluate.run(settings_of(data, tmp_path / "out", participant_label=("01",)))
    rows = table(tmp_path / "out", "scores")
    entries = {"predictor": "good", "contrast": CONTRASTS[0]}
    assert value(rows, score="r", **entries) > 0.9
    undefined_scores = {"difference", "residual_r"}
    assert {
        row["value"] for row in rows if row["predictor"] == "good" and row["score"] in undefined_scores
    } == {"n/a"}
    # The leave-one-out average has no participants.
    assert {row["n_participants"] for row in rows if row["predictor"] == "group average"} == {"0"}
    assert table(tmp_path / "out", "comparisons") == []


def test_matrices_of_an_overwritten_evaluation_are_removed(data, tmp_path):
    evaluate.run(settings_of(data, tmp_path / "out"))
    evaluate.run(settings_of(data, tmp_path / "out", contrasts=CONTRASTS[:1], overwrite=True))
    (path,) = (tmp_path / "out" / "matrices").iterdir()
    assert CONTRASTS[0] in path.name
    assert np.load(path).shape == (3, 3)
