"""Images of a page are optional: the maps of a session never depend on them."""

import json

import pytest

from bids_deeptaskgen.bids.output.results import read_dataset
from bids_deeptaskgen.commands import participant
from bids_deeptaskgen.connectome.series_preview import SeriesPreviewer
from bids_deeptaskgen.pipeline import participant as steps
from bids_deeptaskgen.pipeline import report_step

FIRST = {"participant_label": ("01",), "reports": "full"}


@pytest.fixture(autouse=True)
def _without_drawing(monkeypatch):
    monkeypatch.setattr(report_step, "_render", lambda *_arguments: "<html></html>")


def fail(*_arguments):
    message = "no colours"
    raise IndexError(message)


def break_off(settings, monkeypatch):
    """Run until the connectomes wait; return their folder."""
    with monkeypatch.context() as patch:

        def stop(*_arguments):
            raise KeyboardInterrupt

        patch.setattr("bids_deeptaskgen.workflow.interfaces.predict_chunk", stop)
        with pytest.raises(KeyboardInterrupt):
            participant.run(settings)
    return settings.output_dir / "work" / "connectomes"


@pytest.fixture
def statmaps(simulated, settings_of, contents):
    """Return a function that compares the maps of a run with those of a run without pages."""
    undisturbed = settings_of(simulated, "undisturbed", participant_label=("01",))
    assert participant.run(undisturbed) == 0

    def maps(settings):
        return {name: content for name, content in contents(settings).items() if "_statmap." in name}

    def check(settings):
        assert maps(settings) == maps(undisturbed)
        assert not list(settings.output_dir.rglob("*_figures.npz"))
        assert not list(settings.output_dir.rglob("*_timeseries.tsv"))

    return check


@pytest.mark.parametrize(("owner", "name"), [(SeriesPreviewer, "finish"), (steps, "make_session_images")])
def test_an_error_in_the_images_of_a_page_leaves_the_maps(
    simulated, settings_of, statmaps, monkeypatch, caplog, owner, name
):
    monkeypatch.setattr(owner, name, fail)
    settings = settings_of(simulated, **FIRST)
    assert participant.run(settings) == 0
    statmaps(settings)
    assert "no colours" in caplog.text
    # Maps without images are finished, and not computed again.
    monkeypatch.setattr(steps, "compute_session_connectomes", fail)
    assert participant.run(settings) == 0


def test_damaged_images_that_wait_with_a_connectome_leave_the_maps(
    simulated, settings_of, statmaps, monkeypatch, caplog
):
    settings = settings_of(simulated, **FIRST)
    (images,) = break_off(settings, monkeypatch).glob("*.npz")
    images.write_bytes(images.read_bytes()[:-3000])
    assert participant.run(settings) == 0
    statmaps(settings)
    assert "will lack the images" in caplog.text
    assert not (settings.output_dir / "work").exists()


@pytest.mark.parametrize("name", ["roi_connectome", "roi_coverage", "series_hashes"])
def test_a_waiting_connectome_of_an_earlier_version_is_computed_again(
    simulated, settings_of, monkeypatch, name
):
    settings = settings_of(simulated, participant_label=("01",))
    (path,) = break_off(settings, monkeypatch).glob("*.json")
    record = json.loads(path.read_text("utf-8"))
    del record["facts"][name]
    path.write_text(json.dumps(record), "utf-8")
    assert participant.run(settings) == 0
    assert len(list(settings.output_dir.rglob("*_desc-qc_metrics.json"))) == 1


def test_without_its_images_a_session_is_finished_and_usable(simulated, settings_of, monkeypatch):
    settings = settings_of(simulated, **FIRST)
    assert participant.run(settings) == 0
    (images,) = settings.output_dir.rglob("*_figures.npz")
    record = json.loads(next(settings.output_dir.rglob("*_desc-qc_metrics.json")).read_text("utf-8"))
    name = images.relative_to(settings.output_dir).as_posix()
    assert record["DeepTaskGen"]["ReportFiles"] == [name]
    assert name not in record["DeepTaskGen"]["Files"]
    images.unlink()
    assert [len(part) for part in read_dataset(settings.output_dir)] == [1, 0]
    with monkeypatch.context() as patch:
        patch.setattr(steps, "compute_session_connectomes", fail)
        assert participant.run(settings) == 0


def test_without_a_table_the_maps_are_usable_but_made_again_by_the_next_run(simulated, settings_of):
    settings = settings_of(simulated, participant_label=("01",))
    assert participant.run(settings) == 0
    (table,) = settings.output_dir.rglob("*_desc-qc_rois.tsv")
    table.unlink()
    (relmat,) = settings.output_dir.rglob("*_relmat.tsv")
    relmat.unlink()
    assert [len(part) for part in read_dataset(settings.output_dir)] == [1, 0]
    assert participant.run(settings) == 0
    assert table.is_file()
    assert relmat.is_file()
    next(settings.output_dir.rglob("*_statmap.nii.gz")).unlink()
    assert [len(part) for part in read_dataset(settings.output_dir)] == [0, 1]


def test_images_of_an_earlier_run_are_replaced_with_the_maps(dataset, settings_of):
    settings = settings_of(dataset, **FIRST)
    assert participant.run(settings) == 0
    assert list(settings.output_dir.rglob("*_figures.npz"))
    again = settings_of(dataset, participant_label=("01",), high_pass=0.02, overwrite=True)
    assert participant.run(again) == 0
    assert not list(settings.output_dir.rglob("*_figures.npz"))
    assert not list(settings.output_dir.rglob("*_timeseries.tsv"))
