"""Tests of ``python -m benchmarks.speed``: variants give equal results, and the output is readable."""

import gzip
import json
from functools import partial

import nibabel as nib
import numpy as np
import pytest

from benchmarks.speed import datasets as benchmark_participants
from benchmarks.speed import reading
from benchmarks.speed.__main__ import main
from benchmarks.speed.results import as_json, table
from benchmarks.speed.timing import Comparison, Timing
from bids_deeptaskgen.models.store import embedded_bundle
from bids_deeptaskgen.simulation.random_model import random_bundle

N_VOLUMES = 40


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="module")
def one_participant(work):
    return benchmark_participants.one_participant(work, "int16", N_VOLUMES)


def test_the_connectome_equals_that_of_the_whole_array(one_participant):
    reference = reading._whole_array(one_participant, embedded_bundle())()
    options = (reading.NO_CLEANING, reading.ANY_LENGTH)
    connectome = reading._connecting(one_participant, embedded_bundle(), *options)()
    assert np.abs(reference).max() > 0.5
    np.testing.assert_allclose(connectome, reference, rtol=0, atol=1e-6)


@pytest.mark.parametrize("reader", ["zlib_ng", "isal", "gzip"])
def test_decompression_reads_all_bytes(one_participant, reader):
    bold = reading.bold_of(one_participant)
    with gzip.open(bold) as file:
        assert reading._decompressing(bold, reader)() == len(file.read())


def test_a_lengthened_run_repeats_its_volumes(work, one_participant):
    long = reading.lengthen_run(work, one_participant, 3)
    original, longer = (nib.load(reading.bold_of(root)).dataobj for root in (one_participant, long))
    assert longer.shape[3] == 3 * N_VOLUMES
    np.testing.assert_array_equal(longer[..., -1], original[..., -1])
    np.testing.assert_array_equal(longer[..., N_VOLUMES], original[..., 0])
    connect = partial(reading._connecting, long, embedded_bundle())
    assert connect(reading.NO_CLEANING, reading.ANY_LENGTH)().shape == (50, 235_375)


def test_an_existing_model_is_not_written_again(work):
    folder = random_bundle(work / "model", fdim=4)
    card = folder / "card.json"
    mtime_ns = card.stat().st_mtime_ns
    assert random_bundle(folder, fdim=4) == folder
    assert card.stat().st_mtime_ns == mtime_ns


def test_a_comparison_reports_ratios_to_the_reference():
    comparison = Comparison(
        "sleeping", "long", {"long": [Timing(4, 0, 1)] * 3, "short": [Timing(1, 0, 2)] * 3}, {"beds": 2.0}
    )
    assert as_json(comparison)["ways"]["short"] == {
        "wall_s": [1, 1, 1],
        "cpu_s": [0, 0, 0],
        "peak_gib": 2,
        "ratio": 0.25,
    }
    assert "**sleeping** (beds 2)" in table(comparison)
    assert "| short | 1.00 s | 0.00 s | 2.00 GiB | 0.25 |" in table(comparison)


def test_the_module_writes_a_table_and_numbers(tmp_path):
    assert main([str(tmp_path), "--steps", "writing", "--n-repeats", "1"]) == 0
    content = json.loads((tmp_path / "benchmark.json").read_text("utf-8"))
    (writing,) = content["comparisons"]
    assert writing["ways"].keys() == {"nibabel", "bids_deeptaskgen"}
    assert 0.9 < writing["facts"]["file size / nibabel"] < 1.03
    assert content["machine"]["cpus"] >= 1
    assert "| bids_deeptaskgen |" in (tmp_path / "benchmark.md").read_text("utf-8")


def test_an_unknown_step_is_refused(tmp_path, capsys):
    assert main([str(tmp_path), "--steps", "thinking"]) == 2
    assert "--steps" in capsys.readouterr().err
