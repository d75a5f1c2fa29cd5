"""Which maps are written, and in how many files: the maps themselves stay what they are."""

import json

import nibabel as nib
import numpy as np
import pytest

from bids_deeptaskgen.bids.output.paths import output_path
from bids_deeptaskgen.bids.output.results import read_results
from bids_deeptaskgen.commands import group, participant
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.settings.group import GroupSettings


@pytest.fixture
def labels(model):
    return [contrast.label for contrast in load_bundle(model).card.contrasts]


def statmaps(settings):
    return sorted(
        path.name for path in settings.output_dir.glob("sub-01/func/*_desc-predicted_statmap.nii.gz")
    )


def labels_of(settings):
    return [name.partition("_contrast-")[2].partition("_")[0] for name in statmaps(settings)]


def one(settings_of, simulated, output="out", **changes):
    settings = settings_of(simulated, output, participant_label=("01",), **changes)
    assert participant.run(settings) == 0
    return settings


def test_all_maps_in_one_image_are_the_maps_of_single_images(settings_of, simulated, labels):
    single, joined = (one(settings_of, simulated, layout, map_format=layout) for layout in ("3d", "4d"))
    (name,) = statmaps(joined)
    assert "contrast-" not in name
    image = nib.load(joined.output_dir / "sub-01" / "func" / name)
    assert image.shape == (91, 109, 91, len(labels))
    sidecar = json.loads(
        (joined.output_dir / "sub-01/func" / name.replace(".nii.gz", ".json")).read_text("utf-8")
    )
    assert [entry["Label"] for entry in sidecar["DeepTaskGen"]["Contrasts"]] == labels
    for number, label in enumerate(labels):
        path = next(single.output_dir.glob(f"sub-01/func/*_contrast-{label}_*_statmap.nii.gz"))
        np.testing.assert_array_equal(image.dataobj[..., number], nib.load(path).dataobj)
    assert len(list(joined.output_dir.glob("sub-01/func/*_statmap.*"))) == 2


def test_a_layout_of_images_can_be_changed(settings_of, simulated, labels):
    one(settings_of, simulated, map_format="4d")
    settings = one(settings_of, simulated, map_format="3d")
    assert sorted(labels_of(settings)) == sorted(labels)
    settings = one(settings_of, simulated, map_format="4d")
    assert len(statmaps(settings)) == 1


def test_the_sd_over_windows_is_in_one_image_too(settings_of, simulated, labels):
    settings = one(settings_of, simulated, map_format="4d", n_windows=2)
    (path,) = settings.output_dir.glob("sub-01/func/*_stat-sd_desc-windowSD_statmap.nii.gz")
    assert nib.load(path).shape[3] == len(labels)


@pytest.mark.parametrize("layout", ["3d", "4d"])
def test_asking_for_more_maps_adds_them_and_asking_for_fewer_takes_none_away(
    settings_of, simulated, labels, layout
):
    def written(*wanted):
        settings = one(settings_of, simulated, map_format=layout, contrasts=wanted)
        (result,) = read_results(settings.output_dir)
        stamps = {
            path: path.stat().st_mtime_ns for path in settings.output_dir.glob("sub-01/func/*_statmap.nii.gz")
        }
        return set(result.maps.contrasts), stamps

    first, _ = written(labels[1])
    assert first == {labels[1]}
    pair, stamps = written(labels[0])
    assert pair == set(labels[:2])
    repetition, untouched = written(labels[1])
    assert (repetition, untouched) == (pair, stamps)
    everything, _ = written()
    assert everything == set(labels)


def test_contrasts_may_be_called_by_label_published_name_or_task(settings_of, simulated, model):
    contrast = load_bundle(model).card.contrasts[0]
    for number, name in enumerate(
        (contrast.label.upper(), f" {contrast.source_name}  ", contrast.task.lower())
    ):
        settings = settings_of(
            simulated, str(number), contrasts=(name,), participant_label=("01",), dry_run=True
        )
        assert participant.run(settings) == 0
    assert labels_of(one(settings_of, simulated, contrasts=(contrast.source_name,))) == [contrast.label]


def test_a_contrast_that_the_model_has_not_is_refused_with_the_nearest(settings_of, simulated, labels):
    with pytest.raises(
        UserError, match=f"the model has no such contrast .nearest: {labels[0].lower()}"
    ) as refusal:
        participant.run(settings_of(simulated, contrasts=(labels[0] + "x", "all")))
    assert "tasks: " in str(refusal.value)


def test_the_group_reads_both_layouts(settings_of, simulated, labels):
    for layout in ("3d", "4d"):
        settings = settings_of(simulated, layout, map_format=layout, participant_label=("01", "02"))
        assert participant.run(settings) == 0
        assert group.run(GroupSettings(simulated, settings.output_dir)) == 0
    for label in labels:
        for stat in ("mean", "sd", "count"):
            paths = [
                output_path(
                    settings.output_dir.parent / layout,
                    "group_statmap",
                    entities=[("task", "rest")],
                    contrast=label,
                    stat=stat,
                )
                for layout in ("3d", "4d")
            ]
            assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_group_level_averages_participants_with_different_contrasts(settings_of, simulated, labels):
    for subject, label in (("01", labels[0]), ("02", labels[0]), ("03", labels[1])):
        settings = settings_of(simulated, participant_label=(subject,), contrasts=(label,), map_format="4d")
        assert participant.run(settings) == 0
    assert group.run(GroupSettings(simulated, settings.output_dir)) == 0
    counts = [
        nib.load(
            output_path(
                settings.output_dir,
                "group_statmap",
                entities=[("task", "rest")],
                contrast=label,
                stat="count",
            )
        )
        .get_fdata()
        .max()
        for label in labels[:2]
    ]
    assert counts == [2, 1]
