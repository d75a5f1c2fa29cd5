"""Many runs may write to one dataset at once, as the tasks of a Slurm array do."""

import json
import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest

from tests.processes import PATIENCE_S, ROOT, finished_files, leftovers, results

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


def run_at_once(folder, *commands):
    """Run commands of a program at the same time, and return their exit codes and messages."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = []
    for number, (program, *words) in enumerate(commands):
        main = f"from bids_deeptaskgen.cli.{program} import main; raise SystemExit(main())"
        with (folder / f"messages-{number}").open("wb") as file:
            command = [sys.executable, "-c", main, *map(str, words)]
            processes.append(subprocess.Popen(command, stdout=file, stderr=file, env=environment))
    codes = [process.wait(PATIENCE_S) for process in processes]
    return codes, [(folder / f"messages-{number}").read_text() for number in range(len(commands))]


def test_predictions_of_two_images_for_one_session_leave_the_maps_of_one(participants, model, tmp_path):
    images = [next(participants.glob(f"sub-{label}/**/*_desc-preproc_bold.nii.gz")) for label in ("01", "02")]
    options = (
        "--label",
        "x",
        "--model",
        model,
        "--min-minutes",
        "0.5",
        "--min-dof",
        "5",
        "--reports",
        "none",
    )

    def predict(output, image):
        mask = next(image.parent.glob("*_desc-brain_mask.nii.gz"))
        cleaning = ("--nuisance-regressors", "none", "--mask", mask, "--nprocs", "1")
        return "workbench", "predict", image, output, *options, *cleaning

    singles = [tmp_path / "single-1", tmp_path / "single-2"]
    for output, image in zip(singles, images, strict=True):
        codes, messages = run_at_once(tmp_path, predict(output, image))
        assert codes == [0], messages
    codes, messages = run_at_once(tmp_path, *[predict(tmp_path / "out", images[n % 2]) for n in range(6)])
    # The first of three runs may remove the connectome of the third, and the second replace its maps.
    refusals = [text for code, text in zip(codes, messages, strict=True) if code]
    assert set(codes) <= {0, 1}, messages
    assert all("this connectome was deleted during the run, by another run" in text for text in refusals), (
        messages
    )
    maps = maps_of(tmp_path / "out")
    assert maps in [maps_of(output) for output in singles]
    assert leftovers(tmp_path / "out") == []


def maps_of(output):
    return {name: content for name, content in results(output).items() if name.startswith("sub-")}


def test_pages_that_several_runs_make_at_once_are_whole(start, tmp_path, participants):
    app = start("--nprocs", "1", "--participant-label", "01", "02")
    assert app.wait() == 0, app.words
    words = ("app", participants, app.output, "participant", "--reports-only", "--nprocs", "1")
    codes, messages = run_at_once(tmp_path, *[words] * 4)
    assert codes == [0] * 4, messages
    pages = sorted(app.output.glob("sub-*.html"))
    assert [page.stem for page in pages] == ["sub-01", "sub-02"]
    assert all(page.read_text("utf-8").rstrip().endswith("</html>") for page in pages)
    assert leftovers(app.output) == []
