"""Search for measured task maps: one for each participant, session and contrast."""

import json
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.bids.measured_maps import find_statmaps, measured_folder
from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.errors import InputError
from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.models.contrasts import (
    Contrast,
    contrast_spellings,
    find_contrast,
    load_contrasts,
)
from bids_deeptaskgen.simulation.dataset import simulate_dataset
from tests.bids.trees import touch

SPACE = "space-MNI152NLin6Asym"
FACES = "emotionFacesMinusShapes"
HCP = load_contrasts()


def labels_of(source, contrasts=None, **criteria):
    """Return subject, session and contrast of each map."""
    statmaps = find_statmaps(source, contrasts, **criteria)
    return [(statmap.subject, statmap.session, statmap.contrast) for statmap in statmaps]


@pytest.mark.parametrize(
    "spelling",
    [
        "emotionFacesMinusShapes", "EMOTION FACES-SHAPES", "emotionFacesVsShapes", "emotionfacesshapes",
        "EMOTION_FACES_vs_SHAPES", "Emotion faces > shapes",
    ],
)  # fmt: skip
def test_contrast_is_found_by_label_published_name_and_other_spellings(spelling):
    assert find_contrast(contrast_spellings(HCP), spelling) == FACES


def test_labels_and_published_names_identify_one_contrast():
    spellings = contrast_spellings(HCP)
    for contrast in HCP:
        label = contrast.label
        assert find_contrast(spellings, label) == find_contrast(spellings, contrast.source_name) == label
    assert find_contrast(spellings, "facesMinusShapes") is None
    assert find_contrast(spellings, "facesMinusShapes", "emotion") == FACES
    assert find_contrast(spellings, "facesMinusShapes", "wm") is None
    assert find_contrast(spellings, "emotion") is None


def test_ambiguous_spelling_matches_no_contrast():
    contrasts = [Contrast("aMinusB", "A-B", "A"), Contrast("aVsB", "A VS B", "A")]
    spellings = contrast_spellings(contrasts)
    assert find_contrast(spellings, "aMinusB") == "aMinusB"
    assert find_contrast(spellings, "A vs B") == "aVsB"
    assert find_contrast(spellings, "A versus B") == "aMinusB"
    contrasts.append(Contrast("aGtB", "A GT B", "A"))
    more_contrasts = [*contrasts, Contrast("other", "A VERSUS B", "A")]
    assert find_contrast(contrast_spellings(more_contrasts), "A versus B") is None
    contrasts[1:] = [Contrast("ab", "A B", "A")]
    assert find_contrast(contrast_spellings(contrasts), "ab") == "ab"


def test_simulated_maps_are_found_from_dataset_and_measured_folder(tmp_path):
    affine = np.array([[16, 0, 0, -90.0], [0, 16, 0, -126], [0, 0, 16, -72], [0, 0, 0, 1]])
    simulate_dataset(
        tmp_path, n_participants=2, n_sessions=2, n_volumes=12, grid=Grid.from_image((12, 14, 12), affine)
    )
    maps = find_statmaps(tmp_path, HCP)
    assert len(maps) == 2 * 2 * 47
    sessions = {(statmap.subject, statmap.session) for statmap in maps}
    assert sessions == {(subject, session) for subject in ("01", "02") for session in "12"}
    assert {statmap.contrast for statmap in maps} == {contrast.label for contrast in HCP}
    assert all(statmap.path.is_file() and statmap.volume is None for statmap in maps)
    assert maps == find_statmaps(measured_folder(tmp_path), HCP)


def test_predicted_maps_are_found_in_3d_and_4d_layouts(tmp_path):
    names = {"subject": "01", "session": "a", "entities": (("task", "rest"),)}
    touch(output_path(tmp_path / "3d", "statmap", contrast=FACES, **names))
    touch(output_path(tmp_path / "3d", "window_sd", contrast=FACES, **names))
    assert labels_of(tmp_path / "3d", HCP) == [("01", "a", FACES)]
    image = touch(output_path(tmp_path / "4d", "statmaps", **names))
    touch(output_path(tmp_path / "4d", "window_sds", **names))
    sidecar = {"DeepTaskGen": {"Contrasts": [{"Label": "motorAvg"}, {"Label": FACES}]}}
    touch(sidecar_path(image), json.dumps(sidecar))
    maps = find_statmaps(tmp_path / "4d", HCP)
    assert [(statmap.contrast, statmap.volume, statmap.path) for statmap in maps] == [
        (FACES, 1, image),
        ("motorAvg", 0, image),
    ]


def fitlins(root, node, subject, entities, contrast="facesMinusShapes", stats=("z", "t", "effect", "p")):
    for stat in stats:
        name = f"sub-{subject}_{entities}_contrast-{contrast}_stat-{stat}_statmap.nii.gz"
        touch(root / node / f"sub-{subject}" / name)


def test_fitlins_map_over_runs_takes_precedence_over_single_runs(tmp_path):
    for run in (1, 2):
        fitlins(tmp_path, "node-runLevel", "01", f"task-emotion_run-{run}_{SPACE}")
    fitlins(tmp_path, "node-subjectLevel", "01", f"task-emotion_{SPACE}")
    touch(tmp_path / "node-datasetLevel" / "contrast-facesMinusShapes_stat-z_statmap.nii.gz")
    (statmap,) = find_statmaps(tmp_path, HCP)
    assert (statmap.subject, statmap.contrast) == ("01", FACES)
    assert statmap.path.parts[-3:-1] == ("node-subjectLevel", "sub-01")
    assert "stat-z" in statmap.path.name


def test_maps_of_two_runs_are_refused_unless_one_is_selected(tmp_path):
    for run in (1, 2):
        fitlins(tmp_path, "node-runLevel", "01", f"task-emotion_run-{run}_{SPACE}")
    with pytest.raises(InputError, match=r"sub-01 emotion.*two files for one map.*run-1, run-2"):
        find_statmaps(tmp_path, HCP)
    (statmap,) = find_statmaps(tmp_path, HCP, entities={"run": "2"})
    assert "_run-2_" in statmap.path.name


def glm(folder, subject_label=None, prefix=None, n_runs=1):
    """Write the maps of a first-level model of noise with nilearn."""
    from nilearn.glm import save_glm_to_bids
    from nilearn.glm.first_level import FirstLevelModel

    rng = np.random.default_rng(0)
    affine = np.diag([8, 8, 8, 1.0])
    runs = [
        nib.Nifti1Image(rng.standard_normal((5, 5, 5, 30)).astype("f4") + 100, affine) for _ in range(n_runs)
    ]
    events = pd.DataFrame(
        {"onset": [0, 10, 20, 30], "duration": [5] * 4, "trial_type": ["faces", "shapes"] * 2}
    )
    mask = nib.Nifti1Image(np.ones((5, 5, 5), np.uint8), affine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FirstLevelModel(t_r=2, mask_img=mask, minimize_memory=False)
        model.fit(runs, [events] * n_runs)
        save_glm_to_bids(model, contrasts=["faces - shapes", "faces"], out_dir=folder, prefix=prefix)


def test_maps_of_nilearn_are_found(tmp_path):
    glm(tmp_path, prefix=f"sub-01_ses-1_task-emotion_{SPACE}", n_runs=2)
    glm(tmp_path, prefix="sub-02_task-emotion")
    assert labels_of(tmp_path, HCP) == [
        ("01", "1", "emotionFaces"), ("01", "1", FACES), ("02", None, "emotionFaces"), ("02", None, FACES),
    ]  # fmt: skip
    assert labels_of(tmp_path)[:2] == [("01", "1", "faces"), ("01", "1", "facesMinusShapes")]
    maps = find_statmaps(tmp_path, HCP)
    (path,) = {statmap.path for statmap in maps if (statmap.subject, statmap.contrast) == ("02", FACES)}
    assert path.name == "sub-02_task-emotion_contrast-facesMinusShapes_stat-z_statmap.nii.gz"
    assert len(find_statmaps(tmp_path, HCP, stat="effect")) == 4


def table(folder, rows, columns="participant_id\tsession_id\tcontrast\tpath"):
    lines = [columns, *("\t".join(row) for row in rows)]
    return touch(folder / "maps.tsv", "\n".join(lines) + "\n")


def test_table_of_paths_may_list_files_of_any_name(tmp_path):
    touch(tmp_path / "copes" / "zstat1.nii.gz")
    touch(tmp_path / "b.nii")
    rows = [("sub-01", "ses-1", "EMOTION FACES-SHAPES", "copes/zstat1.nii.gz"), ("02", "n/a", FACES, "b.nii")]
    maps = find_statmaps(table(tmp_path, rows), HCP)
    assert [(statmap.subject, statmap.session, statmap.contrast) for statmap in maps] == [
        ("01", "1", FACES),
        ("02", None, FACES),
    ]
    assert [statmap.path for statmap in maps] == [tmp_path / "copes" / "zstat1.nii.gz", tmp_path / "b.nii"]


def test_incomplete_table_is_refused_with_the_line(tmp_path):
    touch(tmp_path / "a.nii")
    for rows, words in [
        ([("sub-01", "n/a", FACES, "gone.nii")], r"line 2: .*gone.nii: no such file"),
        ([("sub-01", "n/a", FACES, "a.nii"), ("sub-02", "n/a", "", "a.nii")], "line 3: .* is empty"),
        (
            [("sub-01", "n/a", FACES, "a.nii")] * 2,
            r"two files for one map: .*a\.nii and .*a\.nii\.\nThe table",
        ),
        (
            [("sub-01", "n/a", FACES, "a.nii"), ("sub-02", "n/a", FACES, "./a.nii")],
            "for sub-01 .*and for sub-02",
        ),
        ([], "no task maps were found"),
    ]:
        with pytest.raises(InputError, match=words):
            find_statmaps(table(tmp_path, rows), HCP)
    with pytest.raises(InputError, match=r"no column contrast \(found: participant_id, path"):
        find_statmaps(table(tmp_path, [("sub-01", "a.nii")], "participant_id\tpath"), HCP)


def test_t_map_in_a_table_of_z_maps_is_refused(tmp_path):
    names = [f"sub-0{n}_contrast-x_stat-{stat}_statmap.nii" for n, stat in ((1, "z"), (2, "t"))]
    rows = [(name[:6], "n/a", FACES, touch(tmp_path / name).name) for name in names]
    with pytest.raises(InputError, match=r"of 2 task maps 1 has stat-z \(found: stat-t, stat-z\)"):
        find_statmaps(table(tmp_path, rows), HCP)


def test_other_statistics_are_refused_unless_requested(tmp_path):
    fitlins(tmp_path, "", "01", f"task-emotion_{SPACE}", stats=("t", "effect"))
    with pytest.raises(InputError, match=r"2 task maps none has stat-z \(found: stat-effect, stat-t\)"):
        find_statmaps(tmp_path, HCP)
    assert labels_of(tmp_path, HCP, stat="t") == [("01", None, FACES)]


def test_model_space_takes_precedence_and_other_spaces_are_refused(tmp_path):
    fitlins(tmp_path, "", "01", "task-emotion_space-MNI152NLin2009cAsym")
    with pytest.raises(
        InputError,
        match=r"space-MNI152NLin2009cAsym only .*\nRe-run fMRIPrep with --output-spaces MNI152NLin6Asym",
    ):
        find_statmaps(tmp_path, HCP)
    fitlins(tmp_path, "", "01", "task-emotion")
    (statmap,) = find_statmaps(tmp_path, HCP)
    assert "_space-" not in statmap.path.name
    fitlins(tmp_path, "", "01", f"task-emotion_{SPACE}")
    (statmap,) = find_statmaps(tmp_path, HCP)
    assert f"task-emotion_{SPACE}_contrast" in statmap.path.name
    fitlins(tmp_path, "", "01", f"task-emotion_{SPACE}_res-02")
    (statmap,) = find_statmaps(tmp_path, HCP)
    assert f"{SPACE}_res-02" in statmap.path.name


def test_files_that_differ_by_desc_are_refused_unless_one_is_selected(tmp_path):
    for desc in ("measured", "smoothed"):
        touch(tmp_path / "sub-01" / f"sub-01_contrast-{FACES}_stat-z_desc-{desc}_statmap.nii.gz")
    with pytest.raises(InputError, match=r"which differ by desc-measured, desc-smoothed.\nKeep only one"):
        find_statmaps(tmp_path, HCP)
    assert labels_of(tmp_path, HCP, entities={"desc": "measured"}) == [("01", None, FACES)]
    with pytest.raises(InputError, match=r"none has desc-raw \(found: desc-measured, desc-smoothed\)"):
        find_statmaps(tmp_path, HCP, entities={"desc": "raw"})


def test_maps_of_other_contrasts_are_left_out_or_refused_if_alone(tmp_path):
    fitlins(tmp_path, "", "01", f"task-nback_{SPACE}", "easyMinusHard")
    with pytest.raises(InputError, match=r"are of other contrasts \(easyMinusHard\) than"):
        find_statmaps(tmp_path, HCP)
    fitlins(tmp_path, "", "02", f"task-emotion_{SPACE}")
    assert labels_of(tmp_path, HCP) == [("02", None, FACES)]


def test_folder_without_task_maps_is_refused(tmp_path):
    touch(tmp_path / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz")
    with pytest.raises(InputError, match=r"no task maps were found .*\nName the output of FitLins"):
        find_statmaps(tmp_path, HCP)
