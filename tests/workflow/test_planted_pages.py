"""Planted bad participants in a run of the app: the Summary of each page has the right warning."""

import re
from html import unescape

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_deeptaskgen.grid import Grid
from bids_deeptaskgen.simulation.dataset import simulate_dataset
from tests.connectome.test_planted_faults import CORNER, noise_image, rotate
from tests.inprocess import BOLD, CONFOUNDS, MASK, call, copy_participant, only

N_VOLUMES = 100
# The data of all participants are short, on purpose; the rounding of the simulation is coarse.
OPTIONS = (
    "--nprocs=1", "--min-minutes=0.1", "--min-dof=2", "--nuisance-regressors=none", "--fd-threshold=0.5",
    "--reports=qc",
)  # fmt: skip
# By label: words that its Summary must contain, and their level.
EXPECTED = {
    "halfbrain": ("fail", "of grey matter has a signal"),
    "censored": ("fail", "of the volumes were censored for motion"),
    "confounds": ("fail", "correlates with the global signal of the confounds table by only"),
    "noise": ("fail", "this is independent noise, not a BOLD series"),
    "repeated": ("fail", "no maps"),
    "mask": ("warn", "of the brain mask lies where the mean image has no signal"),
}


def change_image(path, change):
    image = nib.load(path)
    data = change(np.asarray(image.dataobj).copy())
    header = image.header.copy()
    header.set_data_dtype(data.dtype)
    nib.Nifti1Image(data, image.affine, header).to_filename(path)


def without_upper_half(data):
    data[:, :, data.shape[2] // 2 :] = 0
    return data


def repeat(data):
    return np.repeat(data[..., :1], data.shape[3], axis=3)


def make_moving(path):
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    table["framewise_displacement"] = np.where(np.arange(len(table)) % 10, 0.9, 0.1)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


@pytest.fixture(scope="module")
def summaries(model, tmp_path_factory):
    """Run the app once over all planted participants; return the Summary of each page by label."""
    folder = tmp_path_factory.mktemp("planted")
    grid = Grid.from_image((46, 55, 46), CORNER)
    source = simulate_dataset(
        folder / "source", statmaps=False, grid=grid, n_participants=2, n_volumes=N_VOLUMES
    )
    data = folder / "fmriprep"
    funcs = {label: copy_participant(source, "01", data, label) for label in ("intact", *EXPECTED)}
    change_image(only(funcs["halfbrain"], BOLD), without_upper_half)
    make_moving(only(funcs["censored"], CONFOUNDS))
    other_table = only(source / "sub-02" / "func", CONFOUNDS).read_bytes()
    only(funcs["confounds"], CONFOUNDS).write_bytes(other_table)
    change_image(only(funcs["noise"], BOLD), lambda series: noise_image(series, 0.01))
    change_image(only(funcs["repeated"], BOLD), repeat)
    change_image(only(funcs["mask"], MASK), lambda mask: rotate(mask, 1))
    ended = call(data, folder / "out", "participant", "--model", model, *OPTIONS)
    assert ended.code == 1  # the repeated image has no maps
    return {label: summary_of((folder / "out" / f"sub-{label}.html").read_text("utf-8")) for label in funcs}


def summary_of(page):
    return page.partition('<section id="summary"')[2].partition("</section>")[0]


def messages_of(summary):
    """List level and words of the messages of a Summary."""
    parts = re.findall(r'<div class="message (\w+)">(.*?)</div>', summary, re.DOTALL)
    return [(level, " ".join(unescape(re.sub("<[^>]+>", " ", text)).split())) for level, text in parts]


@pytest.mark.parametrize("label", EXPECTED)
def test_the_summary_of_a_bad_participant_has_the_right_message(summaries, label):
    level, words = EXPECTED[label]
    messages = messages_of(summaries[label])
    assert any(found == level and words in text for found, text in messages), messages


def test_the_summary_of_the_intact_participant_has_none_of_them(summaries):
    messages = messages_of(summaries["intact"])
    texts = " ".join(text for _, text in messages)
    assert not any(words in texts for _, words in EXPECTED.values()), messages


def test_the_summary_states_what_was_dropped_cleaned_and_by_which_model(summaries):
    texts = {
        label: " ".join(unescape(re.sub("<[^>]+>", " ", text)).split()) for label, text in summaries.items()
    }
    dropped = r"Volumes dropped (\d+): 0 dummy scans, 0 outliers of the input, \1 for motion"
    numbers = {label: int(re.search(dropped, texts[label])[1]) for label in ("intact", "censored")}
    assert numbers["censored"] == 9 * N_VOLUMES // 10
    assert numbers["intact"] < 5
    assert "version = sha256 of the weights" in texts["intact"]
    assert "framewise displacement" in texts["intact"].partition("Cleaning")[2]
    assert "Duration" in texts["intact"]
    assert "finished with flags (" in texts["confounds"]
