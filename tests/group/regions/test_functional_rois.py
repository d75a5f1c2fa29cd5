"""Functional ROIs at the group level: images, tables, and the overlap with measured maps."""

import json
from collections import defaultdict
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.output_mask import output_mask_path
from bids_deeptaskgen.bids.output.paths import sidecar_path
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.grid import OUTPUT_GRID
from bids_deeptaskgen.group.methods import methods_text
from bids_deeptaskgen.group.regions.froi_overlap import FroiOverlap, ParticipantMean
from bids_deeptaskgen.group.regions.froi_summary import OVERLAPS, OverlapSummary
from bids_deeptaskgen.io.nifti_writer import save_nifti
from bids_deeptaskgen.io.tsv import write_tsv
from tests.group.dataset import BLOCK, SHAPE, Plan, add_session, full_map, make_dataset
from tests.group.running import group_path, run, state, table

SEG = "regions"
PERCENT = 20
CONTRASTS = ("wm2bk", "motorLh")
# Voxels of each region in the block: one hemisphere, both hemispheres; region 9 has no value in any map.
REGIONS = {3: np.s_[:5, :3, :], 7: np.s_[:, 4:7, 1:5]}
NAMES = {3: "Left part", 7: "Both parts", 9: "Outside"}
KINDS = ("dice", "dice_mean_predicted", "dice_mean_measured")


@pytest.fixture
def atlas(tmp_path):
    """Write an atlas of three regions with names."""
    labels = np.zeros(OUTPUT_GRID.shape, np.int16)
    for number, part in REGIONS.items():
        labels[BLOCK][part] = number
    labels[40:44, 60:62, 30:32] = 9
    path = tmp_path / f"test_space-MNI152NLin6Asym_seg-{SEG}_dseg.nii.gz"
    save_nifti(path, labels, OUTPUT_GRID.matrix, dtype=np.int16)
    write_tsv(tmp_path / path.name.replace(".nii.gz", ".tsv"), {"index": list(NAMES), "name": NAMES.values()})
    return path


def cohort_with_mask(folder, **changes):
    """Write a dataset whose mask is larger than the block with values."""
    cohort = make_dataset(folder, **({"n": 4, "contrasts": CONTRASTS, "has_connectomes": False} | changes))
    mask = np.zeros(OUTPUT_GRID.shape, np.uint8)
    mask[38:52, 48:64, 28:38] = 1
    save_nifti(output_mask_path(folder, "0" * 64), mask, OUTPUT_GRID.matrix, dtype=np.uint8)
    return cohort


def write_measured(folder, cohort):
    """Write measured maps: of both sessions, of none, of the first session, and of the last not at all."""
    rng = np.random.default_rng(5)
    maps = {}
    for label, sessions in (("01", ("1", "2")), ("02", (None,)), ("03", ("1",)))[: cohort.plan.n]:
        for session in sessions:
            for contrast in CONTRASTS:
                planted = cohort.maps[label, cohort.plan.sessions[0], cohort.plan.runs[0], contrast]
                values = (planted + rng.standard_normal(SHAPE)).astype(np.float32)
                # Not analysed in this participant.
                if label == "02":
                    values[:2, 0], values[4, 5] = 0, np.nan
                entities = f"sub-{label}" + (f"_ses-{session}" if session else "")
                name = f"{entities}_space-MNI152NLin6Asym_contrast-{contrast}_stat-z_statmap.nii.gz"
                path = folder.joinpath(*entities.split("_"), "func", name)
                # Not 0 elsewhere, as the maps of most programs.
                volume = np.ones(OUTPUT_GRID.shape, np.float32)
                volume[BLOCK] = values
                save_nifti(path, volume, OUTPUT_GRID.matrix)
                maps[label, session, contrast] = np.where(values == 0, np.nan, values)
    return maps


def predicted_maps(output, cohort):
    """Return the predicted maps of each participant and session, as arrays of their runs."""
    maps = defaultdict(dict)
    for (label, session, _, contrast), values in cohort.maps.items():
        maps[label, contrast].setdefault(session, []).append(values.astype(np.float32))
    return maps


def top(values, n_voxels):
    """Return the places of the largest values by a stable sort."""
    return set(np.argsort(-values, kind="stable")[:n_voxels].tolist())


def brute_force_overlaps(cohort, measured, region):
    """Return the overlaps of each participant, session, run and contrast, and the voxels."""
    predicted = predicted_maps(cohort.folder, cohort)
    labels = sorted({label for label, _, _ in measured})
    overlaps = {}
    for contrast in CONTRASTS:
        means = {
            label: np.mean([np.mean(runs, axis=0) for runs in predicted[label, contrast].values()], axis=0)
            for label in cohort.plan.labels
        }
        sessions = {
            label: {
                key[1]: values for key, values in measured.items() if (key[0], key[2]) == (label, contrast)
            }
            for label in labels
        }
        measured_means = {label: np.mean(list(maps.values()), axis=0) for label, maps in sessions.items()}
        for label in labels:
            others = [measured_means[other] for other in labels if other != label]
            count = np.isfinite(others).sum(axis=0)
            mean_measured = np.nansum(others, axis=0) / np.maximum(count, 1)
            mean_measured[count <= len(others) / 2] = np.nan
            mean_predicted = np.mean([means[other] for other in means if other != label], axis=0)
            for session, runs in predicted[label, contrast].items():
                target = sessions[label].get(session, measured_means[label])
                for number, values in enumerate(runs):
                    maps = [m[region].ravel() for m in (target, values, mean_predicted, mean_measured)]
                    common = np.isfinite(maps).all(axis=0)
                    n_voxels = max(1, round(PERCENT / 100 * common.sum()))
                    first, *rest = (top(m[common], n_voxels) for m in maps)
                    key = (label, session, cohort.plan.runs[number], contrast)
                    dice = [2 * len(first & voxels) / (2 * n_voxels) for voxels in rest]
                    overlaps[key] = (common.sum(), n_voxels, *dice, n_voxels / common.sum())
    return overlaps


def row_key(row):
    labels = [row["participant_id"].removeprefix("sub-"), row["session_id"].removeprefix("ses-")]
    run_label = row["run"].removeprefix("run-")
    return tuple(None if label == "n/a" else label for label in (*labels, run_label, row["contrast"]))


@pytest.mark.parametrize("changes", [{}, {"sessions": (None,), "runs": ("1", "2"), "is_4d": True}])
def test_functional_rois_and_overlaps_equal_those_of_sorted_voxels(tmp_path, atlas, changes):
    cohort = cohort_with_mask(tmp_path / "out", **changes)
    measured = write_measured(tmp_path / "measured", cohort)
    output = cohort.folder
    options = {"froi": str(atlas), "froi_percent": float(PERCENT), "measured": tmp_path / "measured"}
    assert run(output, **options) == 0
    rows = table(output, "group_frois", seg=SEG)
    assert len(rows) == 3 * len(cohort.maps)
    for row in rows:
        number = int(row["index"])
        assert row["name"] == NAMES[number]
        if number == 9:
            assert (row["n_available"], row["n_voxels"], row["mean"], row["peak_x_mm"]) == (
                "0", "0", "n/a", "n/a",
            )  # fmt: skip
            continue
        volume = full_map(cohort.maps[row_key(row)])
        inside = np.zeros(OUTPUT_GRID.shape, bool)
        inside[BLOCK][REGIONS[number]] = True
        order = np.argsort(-volume[inside], kind="stable")[: round(PERCENT / 100 * inside.sum())]
        assert int(row["n_voxels"]) == len(order)
        assert float(row["mean"]) == pytest.approx(volume[inside][order].mean(), rel=1e-5)
        positions = np.argwhere(inside)[order] * 2 + [-90, -126, -72]
        peak, centre = ([float(row[f"{name}_{axis}_mm"]) for axis in "xyz"] for name in ("peak", "centre"))
        assert np.allclose(peak, positions[0])
        assert np.allclose(centre, positions.mean(axis=0), atol=1e-4)
        if number == 3:
            assert row["lateralisation_index"] == "n/a"
        else:
            # 5 of 10 planes of the region are on the left, 4 on the right.
            left, right = (positions[:, 0] < 0).sum() / 5, (positions[:, 0] > 0).sum() / 4
            index = float(row["lateralisation_index"])
            assert index == pytest.approx((left - right) / (left + right), abs=1e-6)
    check_images(output, cohort, rows)
    check_overlaps(output, cohort, measured)


def check_images(output, cohort, rows):
    """Check that each label image has the numbers and sizes of the table."""
    images = sorted((output / "group" / "frois").rglob("*.nii.gz"))
    assert len(images) == len(cohort.maps)
    sizes = sorted(
        (row["participant_id"], row["session_id"], row["run"], row["contrast"], int(row["n_voxels"]))
        for row in rows
        if row["index"] == "7"
    )
    found = []
    for path in images:
        image = nib.load(path)
        assert np.allclose(image.affine, OUTPUT_GRID.matrix)
        assert image.get_data_dtype() == np.int16
        labels = np.asanyarray(image.dataobj)
        assert set(np.unique(labels)) == {0, 3, 7}
        entities = dict(part.split("-", 1) for part in path.name.split("_")[:-1])
        session, run_label = (entities.get(key) for key in ("ses", "run"))
        found.append(
            (
                f"sub-{entities['sub']}",
                f"ses-{session}" if session else "n/a",
                f"run-{run_label}" if run_label else "n/a",
                entities["contrast"],
                int((labels == 7).sum()),
            )
        )
    assert sorted(found) == sizes
    names = group_path(output, "group_froi_regions", seg=SEG)
    assert names.read_text() == "index\tname\n3\tLeft part\n7\tBoth parts\n9\tOutside\n"
    facts = json.loads(sidecar_path(names).read_text())["DeepTaskGen"]
    assert (facts["PercentOfRegion"], facts["Regions"]) == (PERCENT, [3, 7, 9])


def check_overlaps(output, cohort, measured):
    """Check the overlaps of each region, and their means over participants."""
    rows = table(output, "group_froi_overlap", seg=SEG)
    summaries = table(output, "group_froi_contrasts", seg=SEG)
    n_sessions = len(cohort.plan.sessions) * len(cohort.plan.runs)
    assert len(rows) == 3 * n_sessions * len(CONTRASTS) * len(REGIONS)
    for number, region in REGIONS.items():
        expected = brute_force_overlaps(cohort, measured, region)
        members = [row for row in rows if row["index"] == str(number)]
        columns = ("n_available", "n_voxels", *KINDS, "dice_chance")
        results = {row_key(row): [float(row[name]) for name in columns] for row in members}
        assert results.keys() == expected.keys()
        for key, values in expected.items():
            assert results[key] == pytest.approx(values, rel=1e-6)
        for contrast in CONTRASTS:
            by_label = defaultdict(list)
            for key, values in expected.items():
                if key[3] == contrast:
                    by_label[key[0]].append(values[2:])
            means = np.array([np.mean(values, axis=0) for values in by_label.values()])
            (summary,) = (
                row for row in summaries if (row["contrast"], row["index"]) == (contrast, str(number))
            )
            assert summary["n_participants"] == "3"
            for column, name in enumerate((*KINDS, "dice_chance")):
                assert float(summary[name]) == pytest.approx(means[:, column].mean(), rel=1e-5)
            for column, name in enumerate(("mean_predicted", "mean_measured"), 1):
                differences = means[:, 0] - means[:, column]
                assert float(summary[f"difference_{name}"]) == pytest.approx(differences.mean(), abs=1e-5)
                error = differences.std(ddof=1) / np.sqrt(3)
                assert float(summary[f"difference_{name}_se"]) == pytest.approx(error, abs=1e-5)


def test_sessions_have_equal_weights_whatever_their_number_of_runs():
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((4, 2, 5))
    # Of three runs, only one has the second contrast.
    maps[1:3, 1] = np.nan
    mean = ParticipantMean((2, 5))
    for session, values in zip("1112", maps, strict=True):
        mean.add(session, values)
    expected = [(maps[:3, 0].mean(axis=0) + maps[3, 0]) / 2, (maps[0, 1] + maps[3, 1]) / 2]
    np.testing.assert_allclose(mean.values, expected)


def test_overlaps_of_sessions_have_equal_weights_whatever_their_number_of_runs():
    space = SimpleNamespace(numbers=(1, 2), names=("one", "two"))
    summary = OverlapSummary(("wm2bk", "motorLh"), space)
    overlaps = [("1", 0.1), ("1", 0.2), ("1", 0.6), ("2", 0.5)]
    for session, dice in overlaps:
        cells = dict.fromkeys(OVERLAPS, 0.25) | {"dice": dice}
        summary.add(0, 0, session, cells)
        if dice < 0.3 or session == "2":
            summary.add(1, 1, session, cells)
    summary.finish_participant()
    summary.add(0, 0, "1", dict.fromkeys(OVERLAPS, 0.8))
    summary.finish_participant()
    columns = summary.columns()
    assert (columns["contrast"], columns["index"]) == (["wm2bk", "motorLh"], [1, 2])
    # (0.3 + 0.5) / 2 of the first participant, and (0.15 + 0.5) / 2 in the other contrast.
    np.testing.assert_allclose(columns["dice"], [(0.4 + 0.8) / 2, 0.325])
    np.testing.assert_allclose(columns["difference_mean_predicted"], [(0.15 + 0) / 2, 0.075])
    assert columns["n_participants"] == [2, 1]


def test_a_planted_individual_roi_is_found_and_beats_the_group_average(tmp_path, atlas):
    cohort = cohort_with_mask(tmp_path / "out", n=3, sessions=(None,), individual=2.0, noise=0.1)
    write_measured(tmp_path / "measured", cohort)
    options = {"froi": str(atlas), "froi_labels": ("both parts",), "measured": tmp_path / "measured"}
    assert run(cohort.folder, **options) == 0
    rows = table(cohort.folder, "group_froi_contrasts", seg=SEG)
    assert [row["index"] for row in rows] == ["7", "7"]
    for row in rows:
        assert float(row["difference_mean_predicted"]) > 0.1
        assert float(row["difference_mean_measured"]) > 0.1


def test_a_map_that_was_damaged_before_lacks_functional_rois_and_overlaps(tmp_path, atlas, monkeypatch):
    cohort = cohort_with_mask(tmp_path / "out", n=2, sessions=(None,))
    write_measured(tmp_path / "measured", cohort)
    options = {"froi": str(atlas), "measured": tmp_path / "measured"}
    paths = {label: next(cohort.folder.glob(f"sub-{label}/func/*wm2bk*.nii.gz")) for label in ("01", "02")}
    paths["01"].write_bytes(paths["01"].read_bytes()[:500])
    assert run(cohort.folder, **options) == 1
    for kind in ("group_frois", "group_froi_overlap"):
        keys = {(row["participant_id"], row["contrast"]) for row in table(cohort.folder, kind, seg=SEG)}
        assert keys == {("sub-01", "motorLh"), ("sub-02", "motorLh"), ("sub-02", "wm2bk")}
    write = FroiOverlap.write

    def damage(*args):
        paths["02"].write_bytes(paths["02"].read_bytes()[:500])
        write(*args)

    monkeypatch.setattr(FroiOverlap, "write", damage)
    with pytest.raises(InputError, match=r"A map changed during the run.*sub-02"):
        run(cohort.folder, **options)


def test_without_others_there_are_no_baselines(tmp_path, atlas):
    cohort = cohort_with_mask(tmp_path / "out", n=1, sessions=(None,))
    write_measured(tmp_path / "measured", cohort)
    assert run(cohort.folder, froi=str(atlas), measured=tmp_path / "measured") == 0
    rows = table(cohort.folder, "group_froi_overlap", seg=SEG)
    assert {row["dice_mean_predicted"] for row in rows} == {"n/a"}
    assert all(0 <= float(row["dice"]) <= 1 for row in rows)


def test_a_set_without_measured_maps_does_not_prevent_the_comparison_of_others(tmp_path, atlas, caplog):
    cohort = cohort_with_mask(tmp_path / "out", n=2, sessions=(None,))
    write_measured(tmp_path / "measured", cohort)
    maps = {"wm2bk": np.ones(SHAPE)}
    add_session(cohort.folder, "77", None, maps, metrics={}, plan=Plan(settings_hash="b" * 64))
    assert run(cohort.folder, froi=str(atlas), measured=tmp_path / "measured") == 1
    assert "are not compared with measured maps" in caplog.text
    tables = list((cohort.folder / "group").rglob("*"))
    assert sum(path.name.endswith("_desc-froi_rois.tsv") for path in tables) == 2
    (overlap,) = (path for path in tables if path.name.endswith("_desc-froiOverlap_rois.tsv"))
    assert "sub-77" not in overlap.read_text("utf-8")


def test_a_run_without_functional_rois_removes_them_and_their_folders(tmp_path, atlas, caplog):
    cohort = cohort_with_mask(tmp_path / "out", n=1, sessions=(None,))
    assert run(cohort.folder, froi=str(atlas)) == 0
    assert not group_path(cohort.folder, "group_froi_overlap", seg=SEG).exists()
    assert run(cohort.folder) == 0
    assert "2 images of functional ROIs" in caplog.text
    assert not (cohort.folder / "group" / "frois").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"froi_labels": ("Left prat",)}, UserError, "nearest: Left part"),
        ({"froi_labels": ("9", "4")}, UserError, "`froi_labels`: 4: .* has no such region"),
        ({"froi": None}, UserError, "`measured`: no search space"),
        (
            {"froi": None, "froi_labels": ("3",), "measured": None},
            UserError,
            "`froi_labels`: no search space",
        ),
        ({"froi": None, "froi_percent": 5.0, "measured": None}, UserError, "`froi_percent`: no search space"),
        ({"froi": "absent.nii.gz"}, InputError, "absent.nii.gz"),
        ({"measured": "absent"}, InputError, "no task maps were found"),
        ({"measured": "foreign"}, InputError, r"of none of the participants .*sub-01"),
        ({"measured": "native"}, InputError, "must be in MNI152NLin6Asym"),
        ({"measured": "small"}, InputError, "covers 0% of the model's voxels"),
    ],
)
def test_bad_input_stops_before_anything_is_computed(tmp_path, atlas, options, error, message, monkeypatch):
    cohort = cohort_with_mask(tmp_path / "out", n=1, contrasts=CONTRASTS[:1], sessions=(None,))
    for name in ("measured", "foreign", "native", "small"):
        label, space = (
            ("77" if name == "foreign" else "01"),
            ("T1w" if name == "native" else "MNI152NLin6Asym"),
        )
        path = (
            tmp_path
            / name
            / f"sub-{label}"
            / f"sub-{label}_space-{space}_contrast-wm2bk_stat-z_statmap.nii.gz"
        )
        shape = (3, 3, 3) if name == "small" else OUTPUT_GRID.shape
        save_nifti(path, np.ones(shape, np.float32), OUTPUT_GRID.matrix)
    options = {"froi": str(atlas), "measured": "measured"} | options
    if options["measured"]:
        options["measured"] = tmp_path / options["measured"]
    monkeypatch.setattr("bids_deeptaskgen.commands.group.run_set", pytest.fail)
    with pytest.raises(error, match=message):
        run(cohort.folder, **options)
    assert not state(cohort.folder)


def test_the_methods_name_the_search_space_and_the_share():
    text = methods_text([], has_permutations=False, has_tfce=False, froi="a/IFG.nii.gz", froi_percent=5.0)
    assert "the 5% of the voxels of each region of a search space (IFG.nii.gz)" in text
    assert "Dice" not in text
    assert "Functional ROIs" not in methods_text([], has_permutations=False, has_tfce=False)


def test_the_methods_name_atlases_and_the_comparison_with_measured_maps():
    words = {"has_permutations": False, "has_tfce": False, "atlases": ("a/HO.nii.gz", "DiFuMo")}
    text = methods_text([], **words, froi="IFG.nii.gz", has_measured=True)
    assert "each region of HO.nii.gz and of DiFuMo that have a value" in text
    assert "by the Dice coefficient" in text
    text = methods_text([], has_permutations=False, has_tfce=False, has_measured=True)
    assert "Dice" not in text
    assert "each region" not in text
