"""Files of a dataset that 16 processes write at once are whole whenever another process reads them."""

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from bids_deeptaskgen.bids.output.recorded_failures import update_failures
from bids_deeptaskgen.io.atomic import remove_stale_files
from tests.bids.output.test_dataset_files import write_files
from tests.bids.trees import describe, run, touch
from tests.processes import PATIENCE_S

# Forked processes start at once; the library would take a second to load in each new one.
PROCESSES = multiprocessing.get_context("fork")
N_WRITERS, N_ROUNDS = 16, 4
ROOT_FILES = ("README", "CITATION.md", ".bidsignore", "descriptions.tsv", "dataset_description.json")
TABLES = ("participants.tsv", "participants.json", "logs/failed-sub-01.json")


@pytest.fixture
def derivatives(tmp_path):
    folder = describe(tmp_path / "raw" / "derivatives" / "fmriprep")
    run(folder, "01")
    return folder


def labels(n_writers=N_WRITERS, n_rounds=N_ROUNDS):
    return [f"{writer:02d}x{number:02d}" for writer in range(n_writers) for number in range(n_rounds)]


def write_round(derivatives, out, writer, number, *, versions):
    """Write the files of a dataset with one more participant, column and failure."""
    label = f"{writer:02d}x{number:02d}"
    table = derivatives.parent / f"table-{label}.tsv"
    touch(table, f"participant_id\tc{label}\nsub-{label}\t{number}\n")
    touch(table.with_suffix(".json"), json.dumps({f"c{label}": {"Units": "year"}}))
    write_files(out, derivatives, participants=table, versions=versions)
    name = f"sub-01 task-{label}"
    update_failures(out, "01", {name: "reason"}, [name])


def write_rounds(derivatives, out, writer, start, *, n_rounds=N_ROUNDS, delay_s=0.0):
    """Write as one task of an array after another; the text of CITATION.md differs between them."""
    if delay_s:
        delay_renaming(delay_s)
    start.wait(PATIENCE_S)
    for number in range(n_rounds):
        write_round(derivatives, out, writer, number, versions={"numpy": f"2.{(writer + number) % 2}"})


def delay_renaming(delay_s):
    """Delay the renaming of files in this process, as a busy file server does."""

    def delayed(function):
        def call(path, target):
            time.sleep(random.random() * delay_s)
            result = function(path, target)
            time.sleep(random.random() * delay_s)
            return result

        return call

    Path.replace, Path.rename = delayed(Path.replace), delayed(Path.rename)


class Reader:
    """Reader of a dataset: each file must be whole, and nothing that it has read may vanish."""

    def __init__(self, out):
        self.out = out
        self.counts = Counter()
        self.entries = {}

    def read(self):
        for name in (*ROOT_FILES, *TABLES):
            path = self.out / name
            if name not in self.entries and not path.exists():
                continue
            content = path.read_bytes().decode()
            entries = self.parse(path.suffix, content)
            assert self.entries.get(name, set()) <= entries, name
            self.entries[name] = entries
            self.counts[name] += 1

    @staticmethod
    def parse(suffix, content):
        """Return the fields, or the columns and rows, of a whole file."""
        assert content.endswith("\n")
        if suffix == ".json":
            return set(json.loads(content))
        if suffix != ".tsv":
            return set()
        header, *rows = (line.split("\t") for line in content.splitlines())
        keys = [row[0] for row in rows]
        assert {len(row) for row in rows} == {len(header)}
        assert len(set(keys)) == len(keys) > 0
        return {*header, *keys}


def read_while(out, is_running):
    reader = Reader(out)
    while is_running():
        reader.read()
    reader.read()
    return reader


def start_writer(derivatives, out, writer, start, **how):
    process = PROCESSES.Process(target=write_rounds, args=(derivatives, out, writer, start), kwargs=how)
    process.start()
    return process


def check_complete(reader, expected_labels):
    """Check that the table, its sidecar and the failures have all entries, and the folders nothing else."""
    assert reader.entries["participants.tsv"] == {
        "participant_id",
        *(f"sub-{label}" for label in expected_labels),
        *(f"c{label}" for label in expected_labels),
    }
    assert reader.entries["participants.json"] == {f"c{label}" for label in expected_labels}
    assert reader.entries["logs/failed-sub-01.json"] == {f"sub-01 task-{label}" for label in expected_labels}
    files = {path.relative_to(reader.out).as_posix() for path in reader.out.rglob("*")}
    # A copy of CITATION.md in logs would be that of a file which seemed to be edited by a user.
    assert files == {*ROOT_FILES, *TABLES, "logs"}


@pytest.mark.parametrize("delay_s", [0.0, 0.004])
def test_sixteen_writers_lose_nothing_and_a_reader_finds_whole_files(tmp_path, derivatives, delay_s):
    out, start = tmp_path / "out", PROCESSES.Barrier(N_WRITERS)
    writers = [start_writer(derivatives, out, n, start, delay_s=delay_s) for n in range(N_WRITERS)]
    reader = read_while(out, lambda: any(writer.is_alive() for writer in writers))
    assert [writer.exitcode for writer in writers] == [0] * N_WRITERS
    check_complete(reader, labels())
    print(f"{sum(reader.counts.values())} reads")  # noqa: T201 - shown by pytest -s


@pytest.mark.slow
def test_writers_that_are_killed_at_random_moments_lose_nothing_of_others(tmp_path, derivatives):
    """Writers are killed and started again, and finish in the end."""
    out, start = tmp_path / "out", PROCESSES.Barrier(1)
    n_rounds, chance, n_kills = 12, random.Random(0), 0
    writers = [start_writer(derivatives, out, n, start, n_rounds=n_rounds) for n in range(N_WRITERS)]

    def go_on():
        nonlocal n_kills
        number = chance.randrange(N_WRITERS)
        if n_kills < 150 and writers[number].is_alive():
            os.kill(writers[number].pid, signal.SIGKILL)
            writers[number].join(PATIENCE_S)
            n_kills += 1
            writers[number] = start_writer(derivatives, out, number, start, n_rounds=n_rounds)
        time.sleep(0.02 * chance.random())
        return any(writer.is_alive() for writer in writers)

    reader = read_while(out, go_on)
    assert [writer.exitcode for writer in writers] == [0] * N_WRITERS
    print(f"{n_kills} kills, {sum(reader.counts.values())} reads")  # noqa: T201 - shown by pytest -s
    for folder in (out, out / "logs"):
        remove_stale_files(folder, recursive=False)
    for copy in (out / "logs").glob("CITATION.md"):
        # A writer was killed between the text and its hash.
        copy.unlink()
    check_complete(reader, labels(n_rounds=n_rounds))
