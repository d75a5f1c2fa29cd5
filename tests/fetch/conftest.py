"""Small substitutes for the published files, and a server for them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from bids_deeptaskgen.commands.models.fetch import fetch_model, find_published
from bids_deeptaskgen.grid import CROP, FULL_MODEL_GRID, MODEL_GRID
from bids_deeptaskgen.models import registry as published
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from tests.bundles import ellipsoid
from tests.fetch.fetching import CHANNELS, MASK, ROIS, blob_sha1, checkpoint, image
from tests.fileserver import QUICK, file_server
from tests.processes import ROOT


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Build small files with the published names and grids: name to bytes."""
    folder = tmp_path_factory.mktemp("published")
    rois = np.zeros((*FULL_MODEL_GRID.shape, 3), np.float32)
    rois[CROP] = np.moveaxis(coordinate_rois(3), 0, -1)
    contents = {name: checkpoint(name) for name in CHANNELS}
    contents[ROIS] = image(rois, FULL_MODEL_GRID, ROIS, folder)
    contents[MASK] = image(ellipsoid(0.6).astype(np.uint8), MODEL_GRID, MASK, folder)
    return contents


@pytest.fixture(scope="module")
def registry(files, tmp_path_factory):
    """Write a copy of the package's registry with the hashes of the small files."""
    content = json.loads(published.REGISTRY.read_text("utf-8"))
    for entry in content["files"].values():
        entry["git_blob_sha1"] = blob_sha1(files[entry["path"].rpartition("/")[2]])
    path = tmp_path_factory.mktemp("registry") / "models.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


@pytest.fixture
def server(files):
    with file_server() as running:
        running.files.update(files)
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch, server, registry):
    """Set a temporary home for models, and the server as mirror of GitHub."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("DEEPTASKGEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPTASKGEN_MIRROR", server.url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(published, "REGISTRY", registry)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def fetched(tmp_path_factory, files, registry):
    """Create a home with the fetched model hcp-ya, for tests to copy."""
    with pytest.MonkeyPatch.context() as patch, file_server() as running:
        running.files.update(files)
        folder = tmp_path_factory.mktemp("fetched") / "home"
        patch.setenv("DEEPTASKGEN_HOME", str(folder))
        patch.setenv("DEEPTASKGEN_MIRROR", running.url)
        patch.setattr(published, "REGISTRY", registry)
        fetch_model(find_published("hcp-ya"), None, QUICK)
        return folder
