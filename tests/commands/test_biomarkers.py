"""Prediction of traits from the command: sources, tables, pages, exit codes and failures."""

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.bids.output.result_files import work_folder
from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands import biomarkers
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings
from tests.biomarkers.features.stores import write_store
from tests.cohort_store.store.outputs import N_ROIS, N_VOXELS

N = 60


def read(path, **cells):
    """Read the rows of a table that have these cells."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [row for row in rows if all(row[name] == cell for name, cell in cells.items())]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write a store in which a score lives in the maps, and motion in maps and in a second score."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    score, motion = rng.normal(size=(2, N))
    patterns = rng.normal(size=(2, 1, 2, N_VOXELS))
    maps = score[:, None, None] * patterns[0] + 2 * motion[:, None, None] * patterns[1]
    maps = (maps + 0.5 * rng.normal(size=maps.shape)).astype(np.float32)
    connectomes = [np.corrcoef(rng.normal(size=(N_ROIS, 30))).astype(np.float32) for _ in range(N)]
    rows = [
        {
            "participant_id": f"sub-{number + 1:02d}",
            "session_id": None,
            "run": None,
            "score": f"{score[number]:.4f}",
            "motion_score": f"{motion[number] + 0.3 * rng.normal():.4f}",
            "group": "patient" if score[number] + 0.3 * rng.normal() > 0 else "control",
            "fd_mean_mm": f"{0.2 + 0.05 * motion[number]:.5f}",
            "site": "AB"[number % 2],
            "family_id": f"F{number // 2}",
        }
        for number in range(N)
    ]
    write_store(folder / "store", rows, maps, connectomes)
    thickness = score + 0.3 * rng.normal(size=N)
    table = [f"sub-{number + 1:02d}\t{thickness[number]:.4f}\t{rng.normal():.4f}" for number in range(N)]
    (folder / "idps.tsv").write_text("participant_id\tthickness\tvolume\n" + "\n".join(table) + "\n")
    return folder


def settings(data, out, **changes):
    """Return quick settings."""
    values = {
        "features": (f"maps={data / 'store'}", f"rest={data / 'store'}:connectome"),
        "target": ("score",),
        "n_repeats": 1,
        "n_permutations": 19,
        "learning_curve": False,
    }
    return BiomarkersSettings(out=out, **(values | changes))


@pytest.fixture(scope="module")
def results(data, tmp_path_factory):
    """Analyse both scores and the group with a confound, in both set-ups."""
    out = tmp_path_factory.mktemp("results") / "out"
    changes = {"target": ("score", "motion_score", "group"), "confounds": ("mean_fd",)}
    changes |= {"preset": "deeptaskgen-2025", "learning_curve": True}
    assert biomarkers.run(settings(data, out, **changes)) == 0
    return out


def test_all_tables_the_page_and_the_methods_text_are_written(results):
    names = {path.name for path in results.iterdir()}
    tables = ("scores", "fold_scores", "tests", "comparisons", "learning_curve", "penalties")
    assert {f"{name}.tsv" for name in tables} < names
    assert {"target-score_folds.tsv", "target-group_predictions.tsv", "biomarkers.json", "methods.md"} < names
    page = (results / "biomarkers.html").read_text()
    assert "motion_score" in page
    assert not re.search(r'(src|href)="http', page)


def test_a_score_in_the_maps_is_found_there_and_not_in_an_unrelated_connectome(results):
    rows = read(results / "tests.tsv", target="score", setup="nested")
    p = {row["features"]: float(row["p"]) for row in rows}
    assert p["maps"] == 0.05
    assert p["rest"] > 0.05


def test_a_score_of_motion_is_claimed_by_the_published_setup_alone(results):
    rows = read(results / "tests.tsv", target="motion_score", features="maps")
    p = {row["setup"]: float(row["p"]) for row in rows}
    assert p["deeptaskgen-2025"] == 0.05
    assert p["nested"] > 0.05


def test_categories_are_predicted_better_than_from_confounds(results):
    rows = read(results / "scores.tsv", target="group")
    scores = {(row["setup"], row["features"], row["score"]): row for row in rows}
    assert float(scores["nested", "maps", "AUC"]["value"]) > 0.8
    assert float(scores["nested", "maps", "AUC"]["gain"]) > 0.1
    assert ("deeptaskgen-2025", "confounds", "AUC") not in scores


def test_learning_curves_end_with_all_training_participants(results):
    cells = {"target": "score", "features": "maps", "score": "partial_r"}
    rows = read(results / "learning_curve.tsv", **cells)
    sizes = [int(row["n_train"]) for row in rows]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 48
    folds = read(results / "fold_scores.tsv", setup="nested", **cells)
    mean = np.mean([float(row["value"]) for row in folds])
    np.testing.assert_allclose(float(rows[-1]["value"]), mean, rtol=1e-4)


def test_stored_folds_give_the_same_scores(data, results, tmp_path, capsys):
    changes = {"confounds": ("mean_fd",), "splits": results / "target-score_folds.tsv"}
    biomarkers.run(settings(data, tmp_path / "out", **changes))
    assert "1 target, 2 sets of features, 60 participants" in capsys.readouterr().out
    cells = {"target": "score", "setup": "nested", "score": "partial_r"}
    scores = [
        {row["features"]: row["value"] for row in read(folder / "scores.tsv", **cells)}
        for folder in (results, tmp_path / "out")
    ]
    assert scores[0] == scores[1]


def test_the_same_command_gives_the_same_tables(data, tmp_path):
    for name in ("a", "b"):
        biomarkers.run(settings(data, tmp_path / name))
    for table in ("scores.tsv", "tests.tsv", "target-score_predictions.tsv"):
        assert (tmp_path / "a" / table).read_bytes() == (tmp_path / "b" / table).read_bytes()


def test_participants_who_lack_features_or_values_are_listed(data, tmp_path):
    lines = (data / "idps.tsv").read_text().splitlines()
    (tmp_path / "idps.tsv").write_text("\n".join(lines[:-2]) + "\n")
    phenotype = "participant_id\tmemory\n" + "".join(
        f"{number}\t{'n/a' if number == 3 else number % 7}\n" for number in range(1, N + 1)
    )
    (tmp_path / "memory.tsv").write_text(phenotype)
    changes = {
        "features": (f"maps={data / 'store'}", f"idps={tmp_path / 'idps.tsv'}"),
        "phenotype": (tmp_path / "memory.tsv",),
        "target": ("memory",),
    }
    biomarkers.run(settings(data, tmp_path / "out", **changes))
    reasons = {row["participant_id"]: row["reason"] for row in read(tmp_path / "out" / "excluded.tsv")}
    assert set(reasons) == {"sub-03", "sub-59", "sub-60"}
    assert reasons["sub-03"] == "no value of memory"
    assert "idps" in reasons["sub-60"]
    facts = json.loads((tmp_path / "out" / "biomarkers.json").read_text())["Facts"]
    assert facts["Participants"] == "57"


def test_results_are_replaced_on_request_only(data, tmp_path):
    quick = {"n_permutations": 0, "features": (f"idps={data / 'idps.tsv'}",)}
    quick |= {"participants_tsv": _participants(data, tmp_path)}
    biomarkers.run(settings(data, tmp_path / "out", target=("score", "motion_score"), **quick))
    with pytest.raises(UserError, match="is not empty"):
        biomarkers.run(settings(data, tmp_path / "out", **quick))
    biomarkers.run(settings(data, tmp_path / "out", overwrite=True, **quick))
    assert not (tmp_path / "out" / "target-motion_score_folds.tsv").exists()


def test_hidden_files_and_those_of_killed_runs_are_no_results(data, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(["true"]) as ended, work_folder(tmp_path, "biomarkers") as folder:
        name = folder.name.replace(f".{os.getpid()}.", f".{ended.pid}.")
    (out / name / "results").mkdir(parents=True)
    (out / ".DS_Store").touch()
    biomarkers.run(settings(data, out, n_permutations=0))
    assert {path.name for path in out.iterdir() if path.name.startswith(".")} == {".DS_Store"}


def test_a_folder_that_cannot_be_created_is_refused(data):
    with pytest.raises(UserError, match="/proc/out: the folder cannot be created"):
        biomarkers.run(settings(data, Path("/proc/out")))


def test_a_failed_analysis_leaves_no_folder_and_earlier_results_alone(data, tmp_path):
    with pytest.raises(InputError, match="at least 20"):
        biomarkers.run(settings(data, tmp_path / "out", participant_label=tuple(map(str, range(1, 11)))))
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scores.tsv").write_text("earlier")
    with pytest.raises(UserError, match="names the column fluency"):
        biomarkers.run(settings(data, tmp_path / "out", target=("fluency",), overwrite=True))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scores.tsv"]


def test_a_copy_of_the_target_is_refused_before_anything_is_computed(data, tmp_path):
    scores = {row["participant_id"]: row["thickness"] for row in read(data / "idps.tsv")}
    rows = "".join(f"{label}\t{2 - 3 * float(score)}\n" for label, score in scores.items())
    (tmp_path / "copy.tsv").write_text(f"participant_id\tcopy\n{rows}")
    changes = {
        "features": (f"maps={data / 'store'}", f"t={tmp_path / 'copy.tsv'}"),
        "phenotype": (data / "idps.tsv",),
        "target": ("thickness",),
    }
    with pytest.raises(InputError, match=r"`features` t: the column copy determines the target thickness"):
        biomarkers.run(settings(data, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("target", ("scorre",)),
        ("confounds", ("scorre",)),
        ("leave_one_site_out", "scorre"),
        ("combat", "scorre"),
        ("family_column", "scorre"),
    ],
)
def test_a_column_that_does_not_exist_is_refused_before_features_are_read(
    data, tmp_path, monkeypatch, parameter, value
):
    monkeypatch.setattr(biomarkers, "open_features", None)
    with pytest.raises(UserError, match=rf"`{parameter}` names the column scorre, .*Did you mean score"):
        biomarkers.run(settings(data, tmp_path / "out", **{parameter: value}))


def test_a_target_among_the_features_is_refused(data, tmp_path):
    changes = {"features": (f"idps={data / 'idps.tsv'}",), "target": ("thickness",)}
    with pytest.raises(UserError, match="thickness"):
        biomarkers.run(settings(data, tmp_path / "out", participants_tsv=data / "idps.tsv", **changes))


@pytest.mark.parametrize(
    ("column", "changes"),
    [
        ("scanner", {"combat": "scanner"}),
        ("scanner", {"leave_one_site_out": "scanner"}),
        ("family_id", {}),
        ("household", {"family_column": "household"}),
    ],
)
def test_sites_and_families_among_the_features_are_refused(data, tmp_path, column, changes):
    rows = [f"sub-{n:02d}\t{n % 7}\t{n % 2}\n" for n in range(1, N + 1)]
    (tmp_path / "table.tsv").write_text(f"participant_id\tvolume\t{column}\n" + "".join(rows))
    changes |= {"features": (f"idps={tmp_path / 'table.tsv'}",), "phenotype": (tmp_path / "table.tsv",)}
    changes |= {"participants_tsv": _participants(data, tmp_path)}
    with pytest.raises(UserError, match=f"has the column {column}, which .* has sites or families"):
        biomarkers.run(settings(data, tmp_path / "out", **changes))


def test_the_command_line_runs_leave_one_site_out_and_combat(data, tmp_path, capsys):
    features = [
        "--features",
        f"rest={data / 'store'}:connectome",
        "--target",
        "score",
        "--n-permutations",
        "0",
    ]
    argv = ["biomarkers", str(tmp_path / "a"), *features, "--no-learning-curve"]
    assert workbench.main([*argv, "--leave-one-site-out", "site", "--confounds", "fd_mean_mm"]) == 3
    assert "family" in capsys.readouterr().err
    argv[1] = str(tmp_path / "b")
    assert workbench.main([*argv, "--combat", "site", "--n-components", "5"]) == 0
    assert "1 target, 1 set of features, 60 participants" in capsys.readouterr().out
    assert "ComBat" in (tmp_path / "b" / "methods.md").read_text()


def test_combat_without_tables_is_refused(data, tmp_path):
    changes = {"features": (f"maps={data / 'store'}",), "combat": "site"}
    with pytest.raises(UserError, match="all features are maps"):
        biomarkers.run(settings(data, tmp_path / "out", **changes))


def test_predicted_maps_and_idle_options_are_recognised(data, tmp_path, caplog):
    changes = {"features": (f"maps={data / 'store'}",), "classifier": "ridge", "n_permutations": 0}
    biomarkers.run(settings(data, tmp_path / "out", **changes))
    assert "contain no further information" in (tmp_path / "out" / "methods.md").read_text()
    assert "`classifier` ridge has no effect" in caplog.text
    changes["features"] = (f"rest={data / 'store'}:connectome",)
    biomarkers.run(settings(data, tmp_path / "rest", **changes))
    assert "contain no further information" not in (tmp_path / "rest" / "methods.md").read_text()


def _participants(data, folder):
    """Write the columns of the store as a table."""
    from bids_deeptaskgen import open_store

    path = folder / "participants.tsv"
    open_store(data / "store").participants.to_csv(path, sep="\t", index=False)
    return path
