"""An evaluation names the participants that it leaves out, and maps that are compared with themselves."""

import json
import logging
import os
import shutil

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.commands import evaluate
from bids_deeptaskgen.errors import InputError
from tests.commands.test_evaluate import CONTRASTS, population, settings_of, table, write


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write predicted and measured maps of four participants."""
    root, maps = tmp_path_factory.mktemp("data"), population()
    write(root / "measured", maps, range(4))
    write(root / "good", maps, range(4), desc="predicted", seed=3)
    return root


@pytest.fixture
def measured(data, tmp_path):
    return shutil.copytree(data / "measured", tmp_path / "measured")


def map_of(folder, participant, contrast=CONTRASTS[0]):
    return next(folder.glob(f"sub-{participant}/func/*contrast-{contrast}_*.nii.gz"))


def facts(out):
    return json.loads((out / "evaluation.json").read_text("utf-8"))


def participants_of(out, contrast=CONTRASTS[0]):
    rows = table(out, "participant_scores")
    return {
        row["participant_id"] for row in rows if row["predictor"] == "good" and row["contrast"] == contrast
    }


def truncate(path):
    path.write_bytes(path.read_bytes()[:300])


def fill_with_zeros(path):
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.float32), image.affine), path)


@pytest.mark.parametrize("damage", [truncate, fill_with_zeros])
def test_an_unusable_map_excludes_its_participant_from_the_contrast_only(
    data, measured, tmp_path, caplog, damage
):
    path = map_of(measured, "01")
    damage(path)
    assert evaluate.run(settings_of(data, tmp_path / "out", measured=measured)) == 0
    assert participants_of(tmp_path / "out") == {"sub-00", "sub-02", "sub-03"}
    assert len(participants_of(tmp_path / "out", CONTRASTS[1])) == 4
    assert str(path) in caplog.text
    unusable = "Left out of some contrasts: maps that cannot be used"
    assert facts(tmp_path / "out")[unusable] == "sub-01 (measured)"


def test_participants_with_one_kind_of_map_are_named(data, measured, tmp_path, caplog):
    shutil.rmtree(measured / "sub-03")
    map_of(measured, "02").unlink()
    predicted = shutil.copytree(data / "good", tmp_path / "good")
    shutil.rmtree(predicted / "sub-00")
    changes = {"measured": measured, "predicted": (f"good={predicted}",)}
    assert evaluate.run(settings_of(data, tmp_path / "out", **changes)) == 0
    for text in (
        "Left out: predicted, but not measured: sub-03.",
        "Left out: measured, but not predicted: sub-00.",
        "Contrasts without a map (measured): sub-02 (1 of 2).",
    ):
        assert text in caplog.text
    assert facts(tmp_path / "out")["Left out: predicted, but not measured"] == "sub-03"


def test_no_usable_measured_map_is_an_error(data, measured, tmp_path):
    for path in measured.glob("sub-*/func/*.nii.gz"):
        fill_with_zeros(path)
    with pytest.raises(InputError, match="No contrast can be scored, since none of the maps") as caught:
        evaluate.run(settings_of(data, tmp_path / "out", measured=measured))
    assert caught.value.exit_code == 3


def test_a_contrast_without_usable_maps_does_not_stop_the_others(data, measured, tmp_path, caplog):
    for path in measured.glob(f"sub-*/func/*contrast-{CONTRASTS[0]}_*.nii.gz"):
        truncate(path)
    assert evaluate.run(settings_of(data, tmp_path / "out", measured=measured)) == 0
    assert {row["contrast"] for row in table(tmp_path / "out", "scores")} == {CONTRASTS[1]}
    assert f"{CONTRASTS[0]}: is not scored, since no participant has usable measured maps." in caplog.text


def test_t_maps_among_z_maps_are_named(data, measured, tmp_path, caplog):
    for contrast in CONTRASTS:
        path = map_of(measured, "01", contrast)
        path.rename(path.with_name(path.name.replace("stat-z", "stat-t")))
    assert evaluate.run(settings_of(data, tmp_path / "out", measured=measured)) == 0
    assert "no task map with stat-z, so their maps are left out: sub-01" in caplog.text
    assert "Left out: predicted, but not measured: sub-01." in caplog.text


def link(source, target):
    os.link(source, target)


def save_again(source, target):
    image = nib.load(source)
    nib.save(nib.Nifti1Image(3 * np.asarray(image.dataobj), image.affine), target)


@pytest.mark.parametrize("copy", [shutil.copyfile, link, save_again])
def test_predicted_maps_that_are_the_measured_maps_are_named(data, tmp_path, caplog, copy):
    predicted = shutil.copytree(data / "good", tmp_path / "good")
    for contrast in CONTRASTS:
        target = map_of(predicted, "02", contrast)
        target.unlink()
        copy(map_of(data / "measured", "02", contrast), target)
    assert evaluate.run(settings_of(data, tmp_path / "out", predicted=(f"good={predicted}",))) == 0
    assert "good: the maps of 1 participants are the measured maps themselves" in caplog.text
    assert "sub-02. Their scores say nothing about a model." in caplog.text
    warning = "Warning: maps that are the measured maps themselves"
    assert facts(tmp_path / "out")[warning] == "sub-02 (good)"


def test_a_dataset_evaluated_against_itself_is_named(data, tmp_path, caplog):
    changes = {"predicted": (f"same={data / 'measured'}",), "retest": data / "measured"}
    changes |= {"retest": shutil.copytree(data / "measured", tmp_path / "retest")}
    assert evaluate.run(settings_of(data, tmp_path / "out", **changes)) == 0
    for name in ("same", "retest"):
        assert f"{name}: the maps of 4 participants are the measured maps themselves" in caplog.text


def test_predictions_named_as_measured_maps_are_reported(data, tmp_path, caplog):
    assert evaluate.run(settings_of(data, tmp_path / "out", measured=data / "good")) == 0
    assert "the maps of 4 participants are predicted, according to their names" in caplog.text


def test_an_evaluation_without_faults_has_no_warnings(data, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "bids_deeptaskgen")
    assert evaluate.run(settings_of(data, tmp_path / "out")) == 0
    assert [record.getMessage() for record in caplog.records if "resampled" not in record.getMessage()] == []


def test_maps_of_runs_and_sessions_do_not_change_the_scores(data, tmp_path):
    fitlins = tmp_path / "fitlins"
    shutil.copytree(data / "measured", fitlins / "node-subjectLevel")
    for session in "12":
        maps = population(seed=int(session))
        write(fitlins / "node-sessionLevel", maps, range(4), session=session)
        write(fitlins / "node-runLevel", maps, range(4), session=f"{session}_run-1", seed=7)
    scores = []
    for name, measured in (("levels", fitlins), ("subjects", data / "measured")):
        assert evaluate.run(settings_of(data, tmp_path / name, measured=measured)) == 0
        scores.append(table(tmp_path / name, "scores"))
    assert scores[0] == scores[1]
