"""Models by name: fetched, checked and made into bundles, or refused with what to do."""

import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_deeptaskgen import published
from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands.models_fetch import fetch_model, find_published
from bids_deeptaskgen.contrasts import load_contrasts
from bids_deeptaskgen.core.grid import CROP, FULL_MODEL_GRID, MODEL_GRID
from bids_deeptaskgen.core.rois import brain_mask, coordinate_rois, grey_matter_mask
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.nn.architecture import Architecture
from bids_deeptaskgen.nn.bundle import load_bundle, unmask
from bids_deeptaskgen.nn.network import load_network
from bids_deeptaskgen.nn.predict import predict
from tests import fileserver
from tests.bundles import ellipsoid, tiny_bundle, tiny_network
from tests.fileserver import QUICK, at_first, file_server, good, status
from tests.processes import ROOT, without_root_powers

MASK, ROIS = "MNI_2mm_GM_mask_crop.nii", "melodic_IC_MNI_2mm.nii.gz"
HCP_YA, HCP_D, UKB = (
    "main_model_hcp-ya_010525.ckpt",
    "finetuned_model_hcp-d_010525.ckpt",
    "finetuned_model_ukb_010525.ckpt",
)
# The shape of each network that stands for a published one.
CHANNELS = {HCP_YA: 47, HCP_D: 1, UKB: 1}
PATIENCE_S = 120
FETCH_ALONE = (
    "import sys, pathlib; from bids_deeptaskgen import published; "
    "published.REGISTRY = pathlib.Path(sys.argv[1]); "
    "from bids_deeptaskgen.cli.workbench import main; sys.exit(main(sys.argv[2:]))"
)


def blob_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def network(name):
    return tiny_network(Architecture(in_channels=3, out_channels=CHANNELS[name], fdim=2), seed=len(name))


def checkpoint(name):
    """A small network saved as Lightning saves it."""
    file = io.BytesIO()
    torch.save({"epoch": 19, "state_dict": network(name).state_dict(), "optimizer_states": []}, file)
    return file.getvalue()


def image(values, grid, name, folder):
    nib.save(nib.Nifti1Image(values, np.array(grid.affine)), folder / name)
    return (folder / name).read_bytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Small files under the published names and on the published grids: name to bytes."""
    folder = tmp_path_factory.mktemp("published")
    rois = np.zeros((*FULL_MODEL_GRID.shape, 3), np.float32)
    rois[CROP] = np.moveaxis(coordinate_rois(3), 0, -1)
    made = {name: checkpoint(name) for name in CHANNELS}
    made[ROIS] = image(rois, FULL_MODEL_GRID, ROIS, folder)
    made[MASK] = image(ellipsoid(0.6).astype(np.uint8), MODEL_GRID, MASK, folder)
    return made


@pytest.fixture(scope="module")
def registry(files, tmp_path_factory):
    """The package's registry with the hashes of the small files."""
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
    """A home of models of its own, and the server in the place of GitHub."""
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
    """A home in which hcp-ya was fetched, to be copied."""
    with pytest.MonkeyPatch.context() as patch, file_server() as running:
        running.files.update(files)
        folder = tmp_path_factory.mktemp("fetched") / "home"
        patch.setenv("DEEPTASKGEN_HOME", str(folder))
        patch.setenv("DEEPTASKGEN_MIRROR", running.url)
        patch.setattr(published, "REGISTRY", registry)
        fetch_model(find_published("hcp-ya"), None, QUICK)
        return folder


def deeptaskgen(capsys, *words):
    """The exit code and what was said, on both streams, without the lines of the log."""
    code = workbench.main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err.rpartition("deeptaskgen: ")[2]


def refusal(name="hcp-ya", folder=None, **how):
    with pytest.raises(UserError) as caught:
        fetch_model(find_published(name), folder, QUICK, **how)
    return str(caught.value)


def names_below(folder):
    """Names of all files below a folder, hidden ones too."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def start(registry, *words, prefix=()):
    """Run the workbench in a process of its own."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", FETCH_ALONE, str(registry), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ended(process):
    """Exit code and all that was said."""
    try:
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    return process.returncode, said


def test_a_fetched_model_is_a_bundle_that_predicts_what_its_network_predicts(home, server, files, capsys):
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
        plain = network(HCP_YA)(torch.from_numpy(unmask(connectome, brain_mask()))[None])[0].numpy()
    maps = predict(load_network(bundle, "cpu"), connectome)
    assert np.abs(maps - plain * bundle.output_mask).max() < 1e-5 * plain[:, bundle.output_mask].std()


def test_the_card_says_what_is_known_of_the_model_and_what_it_was_made_of(fetched, files):
    card = load_bundle(fetched / "models" / "hcp-ya").card
    assert card.name == "hcp-ya"
    assert card.contrasts == load_contrasts("hcp-ya")
    assert (card.window_minutes, card.input_mask, card.parent) == (7.2, "brain", None)
    assert (card.licence, card.roi_set, card.for_science) == ("GPL-3.0", ROIS, True)
    assert card.mean_roi_connectome is None
    for name in (MASK, ROIS, HCP_YA):
        assert f"{name} (git blob {blob_sha1(files[name])})" in card.training


def test_files_are_kept_under_their_hashes_and_none_is_left_half_written(fetched, files):
    kept = {path for path in (fetched / "downloads").rglob("*") if path.is_file()}
    assert kept == {fetched / "downloads" / blob_sha1(files[n]) / n for n in (MASK, ROIS, HCP_YA)}
    assert [path.name for path in (fetched / "models").iterdir()] == ["hcp-ya"]


def test_a_model_that_shares_files_fetches_only_its_own(home, server, fetched):
    shutil.copytree(fetched, home)
    card = fetch_model(find_published("ukb"), None, QUICK).card
    assert [path.rpartition("/")[2] for path in server.asked] == [UKB]
    assert [contrast.label for contrast in card.contrasts] == ["emotionFacesMinusShapes"]
    assert (card.parent, card.window_minutes) == ("hcp-ya", 6.0)
    assert "EMOTION FACES-SHAPES" in card.notice


def test_channels_that_nobody_knows_are_numbered_with_a_warning(home, fetched):
    shutil.copytree(fetched, home)
    card = fetch_model(find_published("hcp-d"), None, QUICK).card
    assert [contrast.label for contrast in card.contrasts] == ["channel001"]
    assert "not known what its 1 output channels predict" in card.notice
    assert card.window_minutes is None


def test_a_model_that_is_there_is_checked_and_not_fetched_again(home, server, fetched, capsys):
    shutil.copytree(fetched, home)
    code, out, _ = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 0
    assert f"hcp-ya is there already, in {home / 'models' / 'hcp-ya'}" in out
    assert server.asked == []


def test_a_damaged_model_is_told_and_replaced_when_that_is_asked_for(home, server, fetched, capsys):
    shutil.copytree(fetched, home)
    weights = home / "models" / "hcp-ya" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    code, _, err = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 2
    assert "weights.safetensors is not the file" in err
    assert "models fetch hcp-ya --overwrite" in err
    assert deeptaskgen(capsys, "models", "fetch", "hcp-ya", "--overwrite")[0] == 0
    load_bundle(home / "models" / "hcp-ya")
    assert server.asked == []
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]


def test_another_model_of_the_same_name_is_never_replaced_unasked(home, server, capsys):
    other = tiny_bundle(home / "models" / "hcp-ya")
    code, _, err = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 2
    assert "not made of the files that are published" in err
    assert load_bundle(other.folder).card == other.card
    assert server.asked == []


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(home, server, fetched, files):
    shutil.copytree(fetched / "downloads", home / "downloads")
    damaged = home / "downloads" / blob_sha1(files[ROIS]) / ROIS
    damaged.write_bytes(damaged.read_bytes()[:-1])
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert [path.rpartition("/")[2] for path in server.asked] == [ROIS]
    assert damaged.read_bytes() == files[ROIS]


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        (fileserver.truncated, "the answer broke off: IncompleteRead"),
        (fileserver.tampered, "not the published file, or it was altered"),
        (fileserver.slow, "nothing came for 0.3 s"),
        (fileserver.web_page, "this is a web page"),
        (fileserver.pointer, "a pointer of Git LFS"),
        (status(404), "the file is gone from there (404"),
        (status(503), "the server answered 503"),
    ],
    ids=["truncated", "tampered", "slow", "web page", "pointer", "gone", "busy"],
)
def test_a_file_that_does_not_come_leaves_no_model_and_says_what_to_bring_where(
    home, server, files, habit, words
):
    server.habits[HCP_YA] = habit
    message = refusal()
    assert words in message
    assert f"/64cf419273251cfd63675b680df37f25b02600cb/hcp-ya/{HCP_YA}: " in message
    assert "`deeptaskgen models fetch hcp-ya --from FOLDER`" in message
    assert f"put it at {home / 'downloads' / blob_sha1(files[HCP_YA]) / HCP_YA}" in message
    assert not (home / "models").exists()
    assert names_below(home) == sorted([MASK, ROIS])


def test_the_next_try_goes_on_where_the_last_one_failed(home, server):
    server.habits[HCP_YA] = status(404)
    refusal()
    server.habits.clear()
    server.asked.clear()
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert [path.rpartition("/")[2] for path in server.asked] == [HCP_YA]


def test_files_that_have_moved_and_servers_that_recover_make_the_same_model(home, server, fetched):
    server.habits[HCP_YA] = fileserver.moved
    server.habits[MASK] = at_first(status(503), 2)
    server.habits[ROIS] = at_first(fileserver.truncated, 1)
    bundle = fetch_model(find_published("hcp-ya"), None, QUICK)
    assert bundle.card == load_bundle(fetched / "models" / "hcp-ya").card


def test_offline_all_files_are_listed_with_address_hash_and_place(home, monkeypatch, files):
    monkeypatch.setenv("DEEPTASKGEN_MIRROR", "http://127.0.0.1:1")
    message = refusal()
    assert "no connection" in message
    for name in (MASK, ROIS, HCP_YA):
        assert re.search(rf"from https://raw\.githubusercontent\.com/eminSerin/\S+/{name}\n", message)
        assert f"git blob sha1 {blob_sha1(files[name])}" in message
        assert str(home / "downloads" / blob_sha1(files[name]) / name) in message


def test_a_file_put_by_hand_into_its_place_is_taken(home, server, files):
    server.habits.update(dict.fromkeys(files, status(404)))
    for name in (MASK, ROIS, HCP_YA):
        place = home / "downloads" / blob_sha1(files[name]) / name
        place.parent.mkdir(parents=True)
        place.write_bytes(files[name])
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert server.asked == []


def test_files_brought_by_hand_make_the_same_model_without_a_network(
    home, server, files, fetched, tmp_path, capsys
):
    (tmp_path / "stick" / "from the web").mkdir(parents=True)
    (tmp_path / "stick" / "old").mkdir()
    (tmp_path / "stick" / "old" / HCP_YA).write_bytes(b"an older version")
    (tmp_path / "stick" / "from the web" / HCP_YA).write_bytes(files[HCP_YA])
    for name in (MASK, ROIS):
        (tmp_path / "stick" / name).write_bytes(files[name])
    assert deeptaskgen(capsys, "models", "fetch", "hcp-ya", "--from", tmp_path / "stick")[0] == 0
    bundle = load_bundle(home / "models" / "hcp-ya")
    assert bundle.card == load_bundle(fetched / "models" / "hcp-ya").card
    assert names_below(home / "downloads") == sorted([MASK, ROIS, HCP_YA])
    assert server.asked == []


def test_all_files_that_were_not_brought_or_are_wrong_are_told_at_once(home, server, files, tmp_path):
    (tmp_path / MASK).write_bytes(files[MASK])
    (tmp_path / HCP_YA).write_bytes(fileserver.POINTER)
    message = refusal(folder=tmp_path)
    assert "2 of the 3 files of hcp-ya" in message
    assert MASK not in message
    for name in (ROIS, HCP_YA):
        assert f"  {name}\n    from https://raw.githubusercontent.com/" in message
        assert f"git blob sha1 {blob_sha1(files[name])}" in message
    assert f"found {tmp_path / HCP_YA}: this is a pointer of Git LFS" in message
    assert not home.exists()
    assert server.asked == []


def test_a_link_to_nowhere_among_what_was_brought_is_told(home, tmp_path):
    (tmp_path / HCP_YA).symlink_to(tmp_path / ".git" / "annex" / "absent")
    found = f"found {tmp_path / HCP_YA}: this is a link to a file that is not here (for DataLad: datalad get)"
    assert found in refusal(folder=tmp_path)


def test_a_folder_that_is_not_there_is_refused(home, tmp_path):
    assert "no such folder" in refusal(folder=tmp_path / "nowhere")


def test_the_search_in_a_folder_has_an_end(home, tmp_path, files, monkeypatch):
    deep = tmp_path / "disk" / "1/2/3/4/5"
    (deep / "6").mkdir(parents=True)
    (deep / MASK).write_bytes(files[MASK])
    (deep / "6" / ROIS).write_bytes(files[ROIS])
    message = refusal(folder=tmp_path / "disk")
    assert MASK not in message
    assert ROIS in message
    monkeypatch.setattr("bids_deeptaskgen.commands.models_fetch._MOST_FOLDERS", 3)
    message = refusal(folder=tmp_path / "disk")
    assert MASK in message
    assert "only its first 3 folders were searched" in message


def test_files_that_fit_their_hashes_but_not_each_other_make_no_model(home, server, files, registry):
    content = json.loads(registry.read_text("utf-8"))
    content["files"]["ica"]["git_blob_sha1"] = blob_sha1(files[MASK])
    server.files[ROIS] = files[MASK]
    published.REGISTRY = home.parent / "models.json"
    published.REGISTRY.write_text(json.dumps(content), "utf-8")
    assert ROIS in refusal()
    assert names_below(home / "models") == []


@pytest.mark.parametrize("what", ["folder", "link", "file", "nothing"])
def test_whatever_is_in_the_place_of_a_model_can_be_replaced_and_what_a_link_led_to_stays(
    home, server, fetched, tmp_path, what
):
    shutil.copytree(fetched / "downloads", home / "downloads")
    place, other = home / "models" / "hcp-ya", tiny_bundle(tmp_path / "mine").folder
    place.parent.mkdir()
    if what == "folder":
        place.mkdir()
        (place / "notes.txt").touch()
    elif what == "link":
        place.symlink_to(other)
    elif what == "file":
        place.touch()
    fetch_model(find_published("hcp-ya"), None, QUICK, overwrite=True)
    assert load_bundle(place).card == load_bundle(fetched / "models" / "hcp-ya").card
    assert not place.is_symlink()
    assert [path.name for path in place.parent.iterdir()] == ["hcp-ya"]
    load_bundle(other)


@pytest.mark.parametrize("name", ["hcp-yb", "embedded"])
def test_a_name_that_is_not_published_is_refused_with_those_that_are(home, capsys, name):
    code, _, err = deeptaskgen(capsys, "models", "fetch", name)
    assert code == 2
    assert f"{name!r} cannot be fetched" in err
    assert "hcp-ya, hcp-d, ukb" in err


def test_a_mirror_that_is_no_address_is_refused(home, monkeypatch):
    for given in ("/data/mirror", "ftp://host", "http://", "github"):
        monkeypatch.setenv("DEEPTASKGEN_MIRROR", given)
        assert f"DEEPTASKGEN_MIRROR is {given!r}" in refusal()


def test_without_a_mirror_github_is_asked_through_the_proxy(home, server, monkeypatch):
    monkeypatch.delenv("DEEPTASKGEN_MIRROR")
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    assert "https://raw.githubusercontent.com/eminSerin/" in refusal()
    assert set(server.asked) == {"CONNECT raw.githubusercontent.com:443"}


def test_a_mirror_may_lie_below_a_path(home, server, monkeypatch):
    monkeypatch.setenv("DEEPTASKGEN_MIRROR", f"{server.url}/mirrors/github/")
    server.habits[MASK] = status(404)
    refusal()
    assert server.asked[0].startswith("/mirrors/github/eminSerin/deeptaskgen-models/64cf4192")


def test_ctrl_c_leaves_nothing_half_written_and_the_next_run_makes_the_model(home, server, registry):
    server.habits[ROIS] = at_first(fileserver.slow, 1)
    process = start(registry, "models", "fetch", "hcp-ya")
    end = time.monotonic() + PATIENCE_S
    while not list(home.rglob(f".{ROIS}.*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130, said
    assert names_below(home) == [MASK]
    fetch_model(find_published("hcp-ya"), None, QUICK)


def test_what_a_killed_fetch_has_left_is_swept_by_the_next(home, server, registry):
    server.habits[ROIS] = at_first(fileserver.slow, 1)
    process = start(registry, "models", "fetch", "hcp-ya")
    end = time.monotonic() + PATIENCE_S
    while not list(home.rglob(f".{ROIS}.*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    ended(process)
    (left,) = home.rglob("*.tmp")
    half_made = home / "models" / left.name.replace(ROIS, "hcp-ya")
    half_made.mkdir(parents=True)
    (half_made / "weights.safetensors").touch()
    fetch_model(find_published("hcp-ya"), None, QUICK)
    assert list(home.rglob("*.tmp")) == []


def test_two_processes_that_fetch_at_once_both_end_well_with_one_model(home, server, registry):
    both = threading.Barrier(2)

    def when_both_ask(handler, body):
        both.wait(PATIENCE_S)
        good(handler, body)

    server.habits.update(dict.fromkeys((MASK, ROIS, HCP_YA), when_both_ask))
    processes = [start(registry, "models", "fetch", "hcp-ya") for _ in range(2)]
    ends = [ended(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    assert len(server.asked) == 6
    load_bundle(home / "models" / "hcp-ya")
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]
    assert list(home.rglob("*.tmp")) == []


@pytest.mark.parametrize("same", [True, False])
def test_who_comes_second_is_content_with_the_same_model_and_with_no_other(home, server, fetched, same):
    def somebody_is_faster(handler, body):
        place = home / "models" / "hcp-ya"
        shutil.copytree(fetched / "models" / "hcp-ya", place) if same else tiny_bundle(place)
        good(handler, body)

    server.habits[HCP_YA] = somebody_is_faster
    if same:
        fetch_model(find_published("hcp-ya"), None, QUICK)
    else:
        assert "not made of the files that are published" in refusal()
    assert [path.name for path in (home / "models").iterdir()] == ["hcp-ya"]


def test_a_home_that_cannot_be_written_is_told_in_a_sentence(home, server, registry):
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    home.mkdir(mode=0o555)
    code, said = ended(start(registry, "models", "fetch", "hcp-ya", prefix=prefix))
    assert code == 2, said
    assert f"access is denied ({home / 'downloads'})" in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_model_in_a_home_that_cannot_be_written_can_be_used(home, server, registry, fetched):
    prefix = without_root_powers()
    if prefix is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    shutil.copytree(fetched, home)
    folders = [path for path in (home, *home.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        for words, told in ((("fetch", "hcp-ya"), "is there already"), (("info", "hcp-ya"), "GPL-3.0")):
            code, said = ended(start(registry, "models", *words, prefix=prefix))
            assert code == 0, said
            assert told in said
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert server.asked == []


@pytest.fixture
def disk(home):
    """Mount a file system in the place of the home, or change the one that is there."""
    home.mkdir()

    def mount(options):
        again = f"remount,{options}" if home.is_mount() else options
        words = ["mount", "-t", "tmpfs", "-o", again, "tmpfs", str(home)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    yield mount
    if home.is_mount():
        subprocess.run(["umount", "--lazy", home], check=True)


def test_a_read_only_file_system_is_told_in_a_sentence(disk, home, capsys):
    disk("ro")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 2
    assert sentence.startswith("the file system is read-only (")
    assert str(home) in sentence


def test_a_full_cache_is_told_and_room_mends_it(disk, home, server, files, capsys):
    disk("size=300k")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code == 1
    assert sentence.startswith(f"the disk is full ({home / 'downloads'}")
    assert "Make room and start again" in sentence
    assert names_below(home) == []
    # Enough for the files, and too little for the model that is made of them.
    room_kb = sum(len(files[name]) for name in (MASK, ROIS, HCP_YA)) // 1024 + 60
    disk(f"size={room_kb}k")
    code, _, sentence = deeptaskgen(capsys, "models", "fetch", "hcp-ya")
    assert code in (1, 2)
    assert "No space left" in sentence
    assert names_below(home) == sorted([MASK, ROIS, HCP_YA])
    server.asked.clear()
    disk("size=100m")
    assert deeptaskgen(capsys, "models", "fetch", "hcp-ya")[0] == 0
    assert server.asked == []


def test_the_grey_matter_mask_is_the_published_one_and_not_ours(fetched):
    bundle = load_bundle(fetched / "models" / "hcp-ya")
    assert not np.array_equal(bundle.output_mask, grey_matter_mask())
