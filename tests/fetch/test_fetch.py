"""Fetching of published models: download, verification, bundles, and errors with advice."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

from bids_deeptaskgen.commands.models.fetch import fetch_model, find_published
from bids_deeptaskgen.connectome.template_masks import brain_mask, grey_matter_mask
from bids_deeptaskgen.grid import unmask
from bids_deeptaskgen.models import registry as published
from bids_deeptaskgen.models.bundle import load_bundle
from bids_deeptaskgen.models.contrasts import load_contrasts
from bids_deeptaskgen.nn.inference import load_network
from bids_deeptaskgen.nn.predict import predict
from bids_deeptaskgen.simulation.coordinate_rois import coordinate_rois
from tests import fileserver
from tests.bundles import ellipsoid, tiny_bundle
from tests.fetch.fetching import (
    HCP_YA,
    MASK,
    ROIS,
    UKB,
    blob_sha1,
    deeptaskgen,
    file_names,
    network,
    refusal,
)
from tests.fileserver import QUICK, at_first, status


def test_a_fetched_model_gives_the_maps_of_its_network(home, server, files, capsys):
    code, out, _ = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 0
    assert out.count("GPL-3.0") == 1
    assert out.count("10.1038/s42003-025-09158-6") == 1
    assert {path.rpartition("/")[2] for path in server.asked} == {MASK, ROIS, HCP_YA}
    bundle = load_bundle(home / "models" / "hcp-ya")
    np.testing.assert_array_equal(bundle.brain_mask, brain_mask())
    np.testing.assert_array_equal(bundle.output_mask, ellipsoid(0.6))
    np.testing.assert_array_equal(bundle.rois(), coordinate_rois(3)[:, brain_mask()])
    connectome = np.random.default_rng(0).uniform(-1, 1, (3, brain_mask().sum())).astype(np.float32)
    with torch.no_grad():
        expected = network(HCP_YA)(torch.from_numpy(unmask(connectome, brain_mask()))[None])[0].numpy()
    maps = predict(load_network(bundle, "cpu"), connectome)
    assert np.abs(maps - expected * bundle.output_mask).max() < 1e-5 * expected[:, bundle.output_mask].std()


def test_the_card_describes_the_model_and_its_files(fetched, files):
    card = load_bundle(fetched / "models" / "hcp-ya").card
    assert card.name == "hcp-ya"
    assert card.contrasts == load_contrasts("hcp-ya")
    assert (card.window_minutes, card.input_mask, card.parent) == (7.2, "brain", None)
    assert (card.licence, card.roi_set, card.for_science) == ("GPL-3.0", ROIS, True)
    assert card.mean_roi_connectome is None
    for name in (MASK, ROIS, HCP_YA):
        assert f"{name} (git blob {blob_sha1(files[name])})" in card.training


def test_files_are_stored_under_their_hashes_without_partial_files(fetched, files):
    paths = {path for path in (fetched / "downloads").rglob("*") if path.is_file()}
    assert paths == {fetched / "downloads" / blob_sha1(files[n]) / n for n in (MASK, ROIS, HCP_YA)}
    assert [path.name for path in (fetched / "models").iterdir()] == ["hcp-ya"]


def test_shared_files_are_not_downloaded_again(home, server, fetched):
    shutil.copytree(fetched, home)
    card = fetch_model(find_published("ukb"), None, QUICK).card
    assert [path.rpartition("/")[2] for path in server.asked] == [UKB]
    assert [contrast.label for contrast in card.contrasts] == ["emotionFacesMinusShapes"]
    assert (card.parent, card.window_minutes) == ("hcp-ya", 6.0)
    assert "EMOTION FACES-SHAPES" in card.notice


def test_unknown_channels_are_numbered_with_a_notice(home, fetched):
    shutil.copytree(fetched, home)
    card = fetch_model(find_published("hcp-d"), None, QUICK).card
    assert [contrast.label for contrast in card.contrasts] == ["channel001"]
    assert "The contrasts of its 1 output channels are unknown" in card.notice
    assert card.window_minutes is None


def test_an_existing_model_is_checked_and_not_fetched_again(home, server, fetched, capsys):
    shutil.copytree(fetched, home)
    code, out, _ = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 0
    assert f"hcp-ya is already installed in {home / 'models' / 'hcp-ya'}" in out
    assert server.asked == []


def test_a_damaged_model_is_reported_and_replaced_on_request(home, server, fetched, capsys):
    shutil.copytree(fetched, home)
    weights = home / "models" / "hcp-ya" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    code, _, err = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 2
    assert "sha256 of weights.safetensors differs" in err
    assert "models fetch hcp-ya --overwrite" in err
    assert deeptaskgen(capsys, "models", "fetch", "hcp-ya", "--overwrite")[0] == 0
    load_bundle(home / "models" / "hcp-ya")
    assert server.asked == []
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]


def test_a_different_model_of_the_same_name_is_not_replaced(home, server, capsys):
    model = tiny_bundle(home / "models" / "hcp-ya")
    code, _, err = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 2
    assert "not created from the published files" in err
    assert load_bundle(model.folder).card == model.card
    assert server.asked == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(home, server, fetched, files):
    shutil.copytree(fetched / "downloads", home / "downloads")
    damaged = home / "downloads" / blob_sha1(files[ROIS]) / ROIS
    damaged.write_bytes(damaged.read_bytes()[:-1])
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert [path.rpartition("/")[2] for path in server.asked] == [ROIS]
    assert damaged.read_bytes() == files[ROIS]


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        (fileserver.truncated, "IncompleteRead"),
        (fileserver.tampered, "not the published file, or it was modified"),
        (fileserver.slow, "no data for 0.3 s"),
        (fileserver.web_page, "this is a web page"),
        (fileserver.pointer, "a Git LFS pointer"),
        (status(404), "(404"),
        (status(503), "the server answered 503"),
    ],
    ids=["truncated", "tampered", "slow", "web page", "pointer", "gone", "busy"],
)
def test_a_failed_download_leaves_no_model_and_names_the_file_to_provide(home, server, files, habit, words):
    server.habits[HCP_YA] = habit
    message = refusal()
    assert words in message
    assert f"/64cf419273251cfd63675b680df37f25b02600cb/hcp-ya/{HCP_YA}: " in message
    assert "`deeptaskgen models fetch hcp-ya --from FOLDER`" in message
    assert f"save it as {home / 'downloads' / blob_sha1(files[HCP_YA]) / HCP_YA}" in message
    assert not (home / "models").exists()
    assert file_names(home) == sorted([MASK, ROIS])


def test_the_next_run_downloads_only_missing_files(home, server):
    server.habits[HCP_YA] = status(404)
    refusal()
    server.habits.clear()
    server.asked.clear()
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert [path.rpartition("/")[2] for path in server.asked] == [HCP_YA]


def test_redirects_and_retries_give_the_same_model(home, server, fetched):
    server.habits[HCP_YA] = fileserver.moved
    server.habits[MASK] = at_first(status(503), 2)
    server.habits[ROIS] = at_first(fileserver.truncated, 1)
    bundle = fetch_model(find_published("hcp-ya"), None, QUICK)
    assert bundle.card == load_bundle(fetched / "models" / "hcp-ya").card


def test_offline_all_files_are_listed_with_url_hash_and_path(home, monkeypatch, files):
    monkeypatch.setenv("DEEPTASKGEN_MIRROR", "http://127.0.0.1:1")
    message = refusal()
    assert "Connection refused" in message
    for name in (MASK, ROIS, HCP_YA):
        assert re.search(rf"from https://raw\.githubusercontent\.com/eminSerin/\S+/{name}\n", message)
        assert f"git blob sha1 {blob_sha1(files[name])}" in message
        assert str(home / "downloads" / blob_sha1(files[name]) / name) in message


def test_files_copied_to_the_cache_are_used(home, server, files):
    server.habits.update(dict.fromkeys(files, status(404)))
    for name in (MASK, ROIS, HCP_YA):
        place = home / "downloads" / blob_sha1(files[name]) / name
        place.parent.mkdir(parents=True)
        place.write_bytes(files[name])
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert server.asked == []


def test_files_of_a_folder_give_the_same_model_offline(home, server, files, fetched, tmp_path, capsys):
    (tmp_path / "stick" / "from the web").mkdir(parents=True)
    (tmp_path / "stick" / "old").mkdir()
    (tmp_path / "stick" / "old" / HCP_YA).write_bytes(b"an older version")
    (tmp_path / "stick" / "from the web" / HCP_YA).write_bytes(files[HCP_YA])
    for name in (MASK, ROIS):
        (tmp_path / "stick" / name).write_bytes(files[name])
    assert deeptaskgen(capsys, "models", "fetch", "hcp-ya", "--from", tmp_path / "stick")[0] == 0
    bundle = load_bundle(home / "models" / "hcp-ya")
    assert bundle.card == load_bundle(fetched / "models" / "hcp-ya").card
    assert file_names(home / "downloads") == sorted([MASK, ROIS, HCP_YA])
    assert server.asked == []


def test_all_missing_or_wrong_files_of_a_folder_are_listed(home, server, files, tmp_path):
    (tmp_path / MASK).write_bytes(files[MASK])
    (tmp_path / HCP_YA).write_bytes(fileserver.POINTER)
    message = refusal(folder=tmp_path)
    assert "2 of the 3 files of hcp-ya" in message
    assert MASK not in message
    for name in (ROIS, HCP_YA):
        assert f"  {name}\n    from https://raw.githubusercontent.com/" in message
        assert f"git blob sha1 {blob_sha1(files[name])}" in message
    assert f"found {tmp_path / HCP_YA}: this is a Git LFS pointer" in message
    assert not home.exists()
    assert server.asked == []


def test_a_broken_link_in_a_folder_is_reported(home, tmp_path):
    (tmp_path / HCP_YA).symlink_to(tmp_path / ".git" / "annex" / "absent")
    words = f"found {tmp_path / HCP_YA}: this is a broken link (DataLad: run datalad get)"
    assert words in refusal(folder=tmp_path)


def test_a_missing_folder_is_refused(home, tmp_path):
    assert "no such folder" in refusal(folder=tmp_path / "nowhere")


def test_the_search_in_a_folder_is_limited(home, tmp_path, files, monkeypatch):
    subfolder = tmp_path / "disk" / "1/2/3/4/5"
    (subfolder / "6").mkdir(parents=True)
    (subfolder / MASK).write_bytes(files[MASK])
    (subfolder / "6" / ROIS).write_bytes(files[ROIS])
    message = refusal(folder=tmp_path / "disk")
    assert MASK not in message
    assert ROIS in message
    monkeypatch.setattr("bids_deeptaskgen.commands.models.fetch._MAX_FOLDERS", 3)
    message = refusal(folder=tmp_path / "disk")
    assert MASK in message
    assert "only its first 3 folders were searched" in message


def test_files_with_correct_hashes_but_inconsistent_content_give_no_model(home, server, files, registry):
    content = json.loads(registry.read_text("utf-8"))
    content["files"]["ica"]["git_blob_sha1"] = blob_sha1(files[MASK])
    server.files[ROIS] = files[MASK]
    published.REGISTRY = home.parent / "models.json"
    published.REGISTRY.write_text(json.dumps(content), "utf-8")
    assert ROIS in refusal()
    assert file_names(home / "models") == []


@pytest.mark.parametrize("kind", ["folder", "link", "file", "nothing"])
def test_overwrite_replaces_folders_links_and_files_but_not_the_target_of_a_link(
    home, server, fetched, tmp_path, kind
):
    shutil.copytree(fetched / "downloads", home / "downloads")
    place, link_target = home / "models" / "hcp-ya", tiny_bundle(tmp_path / "mine").folder
    place.parent.mkdir()
    if kind == "folder":
        place.mkdir()
        (place / "notes.txt").touch()
    elif kind == "link":
        place.symlink_to(link_target)
    elif kind == "file":
        place.touch()
    fetch_model(find_published("hcp-ya"), None, QUICK, overwrite=True)
    assert load_bundle(place).card == load_bundle(fetched / "models" / "hcp-ya").card
    assert not place.is_symlink()
    assert [path.name for path in place.parent.iterdir()] == ["hcp-ya"]
    load_bundle(link_target)


@pytest.mark.parametrize("name", ["hcp-yb", "embedded"])
def test_an_unpublished_name_is_refused_with_the_published_names(home, capsys, name):
    code, _, err = deeptaskgen(capsys, "models", "fetch", name)
    assert code == 2
    assert f"{name!r} cannot be fetched" in err
    assert "hcp-ya, hcp-d, ukb" in err


def test_a_mirror_that_is_not_a_url_is_refused(home, monkeypatch):
    for mirror in ("/data/mirror", "ftp://host", "http://", "github"):
        monkeypatch.setenv("DEEPTASKGEN_MIRROR", mirror)
        assert f"DEEPTASKGEN_MIRROR is {mirror!r}" in refusal()


def test_without_a_mirror_github_is_contacted_through_the_proxy(home, server, monkeypatch):
    monkeypatch.delenv("DEEPTASKGEN_MIRROR")
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    assert "https://raw.githubusercontent.com/eminSerin/" in refusal()
    assert set(server.asked) == {"CONNECT raw.githubusercontent.com:443"}


def test_a_mirror_may_have_a_path(home, server, monkeypatch):
    monkeypatch.setenv("DEEPTASKGEN_MIRROR", f"{server.url}/mirrors/github/")
    server.habits[MASK] = status(404)
    refusal()
    assert server.asked[0].startswith("/mirrors/github/eminSerin/deeptaskgen-models/64cf4192")


def test_the_output_mask_is_the_published_mask_not_that_of_nilearn(fetched):
    bundle = load_bundle(fetched / "models" / "hcp-ya")
    assert not np.array_equal(bundle.output_mask, grey_matter_mask())
