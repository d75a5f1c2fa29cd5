"""Many runs may write to one dataset at once, as the tasks of a Slurm array do."""

import json
import signal
import time
from random import Random

import pytest

from tests.processes import finished_files, leftovers, results

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("parts", [("01 02", "03 04"), ("01", "02", "03", "04")])
def test_concurrent_runs_of_different_participants_equal_one_run(start, alone, parts):
    runs = [start("--nprocs", "1", "--participant-label", *part.split()) for part in parts]
    assert [app.wait() for app in runs] == [0] * len(parts), [app.words for app in runs]
    output = runs[0].output
    assert results(output) == alone
    assert leftovers(output) == []
    assert len(list(output.glob("logs/*_participants.tsv"))) == len(parts)


def test_concurrent_runs_of_the_same_participants_equal_one_run(start, alone):
    runs = [start("--nprocs", "1") for _ in range(2)]
    assert [app.wait() for app in runs] == [0, 0], [app.words for app in runs]
    assert results(runs[0].output) == alone
    assert leftovers(runs[0].output) == []


class Reader:
    """Reader of a dataset that many runs write: each file must always have the content of one run alone."""

    def __init__(self, output, expected):
        self.output, self.expected = output, expected
        self.names = set()
        self.n_reads = 0

    def read(self):
        files = finished_files(self.output)
        for name, content in files.items():
            assert content == self.expected[name], f"{name} is not whole"
        assert self.names <= files.keys()
        self.names = set(files)
        self.n_reads += len(files)

    def read_while(self, is_running):
        while is_running():
            self.read()
        self.read()
        assert self.names == self.expected.keys()


def test_sixteen_runs_write_one_dataset_and_a_reader_finds_whole_files(start, alone, capsys):
    runs = [start("--nprocs", "1", "--participant-label", f"0{1 + n % 4}") for n in range(16)]
    reader = Reader(runs[0].output, alone)
    reader.read_while(lambda: any(app.running() for app in runs))
    assert [app.wait() for app in runs] == [0] * 16, [app.words for app in runs]
    assert leftovers(reader.output) == []
    assert len(list(reader.output.glob("logs/*_participants.tsv"))) == 16
    with capsys.disabled():
        print(f"\n16 runs, {reader.n_reads} reads")  # noqa: T201 - the result


def test_runs_that_are_killed_leave_whole_files_and_nothing_else_after_a_restart(start, alone, capsys):
    options = [("--nprocs", "1", "--participant-label", f"0{1 + n % 4}") for n in range(8)]
    runs = [start(*each) for each in options]
    reader, chance, end, n_kills = Reader(runs[0].output, alone), Random(0), time.monotonic(), 0

    def go_on():
        nonlocal end, n_kills
        if time.monotonic() > end and n_kills < 12:
            end = time.monotonic() + 3 * chance.random()
            number = chance.randrange(len(runs))
            if runs[number].running():
                runs[number].signal_all(signal.SIGKILL)
                runs[number].wait()
                n_kills += 1
                runs[number] = start(*options[number])
        return any(app.running() for app in runs)

    reader.read_while(go_on)
    assert [app.wait() for app in runs] == [0] * len(runs), [app.words for app in runs]
    assert leftovers(reader.output) == []
    with capsys.disabled():
        print(f"\n{n_kills} of {n_kills + len(runs)} runs killed, {reader.n_reads} reads")  # noqa: T201


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_runs_with_other_settings_one_is_refused_and_writes_nothing(start, alone, attempt):
    options = ("--nprocs", "1", "--participant-label", "01")
    runs = [start(*options), start(*options, "--high-pass", "0.02")]
    codes = [app.wait() for app in runs]
    assert sorted(codes) == [0, 2], (attempt, [app.words for app in runs])
    assert "OUTPUT_DIR" in runs[codes.index(2)].words
    output = runs[0].output
    assert leftovers(output) == []
    # One run alone has written: its settings, its table and its list of failures.
    assert len(list(output.glob("logs/*_settings.toml"))) == 1
    hashes = {
        json.loads(path.read_text())["DeepTaskGen"]["SettingsHash"]
        for path in output.glob("sub-01/**/*_desc-qc_metrics.json")
    }
    assert len(hashes) == 1
    if codes[0] == 0:
        assert all(alone[name] == content for name, content in results(output).items() if "sub-" in name)
