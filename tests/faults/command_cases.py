"""The commands whose faults are tested, each with small inputs: a table of cases."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import command_inputs as inputs
from tests.faults.comparable_files import ANALYSES, PAGES, TRAININGS, states_failure
from tests.fileserver import file_server
from tests.processes import ROOT, SMALL

OUT = "out"
APP = (sys.executable, "-m", "bids_deeptaskgen")
WORKBENCH = (
    sys.executable,
    "-c",
    "import sys; from bids_deeptaskgen.cli.workbench import main; sys.exit(main())",
)
# The registry of published models is replaced by one with the hashes of small files.
FETCH = (
    sys.executable,
    "-c",
    "import sys, pathlib; from bids_deeptaskgen.models import registry; "
    "registry.REGISTRY = pathlib.Path(sys.argv.pop(1)); "
    "from bids_deeptaskgen.cli.workbench import main; sys.exit(main())",
)
MAPS = tuple(word for word in SMALL if word not in ("--reports", "none"))

Words = Callable[[Path, Path], Sequence[object]]


@contextmanager
def _nothing(_folder: Path) -> Iterator[dict[str, str]]:
    yield {}


def _no_copies(_folder: Path, _place: Path) -> None:
    """Copy no input, since the command changes none."""


@dataclass(frozen=True)
class CommandCase:
    """A command with small inputs.

    Attributes
    ----------
    name : str
    prepare : callable
        Writes the inputs to a new folder, once per session.
    arguments : callable
        Words of the command line, of the folder of the inputs and the place of the outputs.
    seconds : float
        Duration of an undisturbed run on an idle core, of which half is the start of Python.
    stage : callable
        Copies the inputs that the command changes from their folder to the place.
    serve : callable
        Context manager that runs what the command needs from outside, and yields changes to the environment.
    environment : callable
        Further changes to the environment, of the folder of the inputs and the place.
    overwrite : str
        Option for a run whose output already has visible files; empty where none is needed.
    excluded : dict
        Patterns of the names of files that differ between two undisturbed runs, with the reason.
    changed : dict
        Patterns of names of files with a function that removes what differs, see `comparable_files`.
    unfinished : str
        Pattern of the names of files that change during a run, since the next run continues from them.
    provisional : callable
        Returns whether a file states a failure, of its name and content: it is complete until the next run.
    """

    name: str
    prepare: Callable[[Path], None]
    arguments: Words
    seconds: float
    stage: Callable[[Path, Path], None] = _no_copies
    serve: Callable[[Path], AbstractContextManager[dict[str, str]]] = _nothing
    environment: Callable[[Path, Path], Mapping[str, str]] = lambda _folder, _place: {}
    overwrite: str = ""
    excluded: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    unfinished: str = "$^"
    provisional: Callable[[str, bytes], bool] = lambda _name, _content: False

    def words(self, folder: Path, place: Path) -> list[str]:
        """Return the command line for the present state of the place: it may have to replace results."""
        words = [str(word) for word in self.arguments(folder, place)]
        out = place / OUT
        has_results = out.exists() and any(not path.name.startswith(".") for path in _content(out))
        return [*words, *([self.overwrite] if self.overwrite and has_results else [])]

    def results(self, place: Path) -> dict[str, bytes]:
        """Read the bytes of all files of the place by name, without what differs between undisturbed runs."""
        contents = {}
        for path in sorted(place.rglob("*")):
            name = path.relative_to(place).as_posix()
            if not path.is_file() or any(re.search(pattern, name) for pattern in self.excluded):
                continue
            content = path.read_bytes()
            for pattern, change in self.changed.items():
                if re.search(pattern, name):
                    content = change(content)
            contents[name] = content
        return contents

    def finished_results(self, place: Path) -> dict[str, bytes]:
        """Read the bytes of the files under their final names, which must be complete at any time."""
        return {
            name: content
            for name, content in self.results(place).items()
            if not is_temporary(name)
            and not re.search(self.unfinished, name)
            and not self.provisional(name, content)
        }


def is_temporary(name: str) -> bool:
    """Return whether a path in the place is one that only an active run may have."""
    parts = name.split("/")
    return any(part.endswith((".tmp", ".lock")) for part in parts) or parts[:2] == [OUT, "work"]


def is_kept(name: str) -> bool:
    """Return whether a stopped run keeps this path in the work folder: finished connectomes."""
    kept = f"{OUT}/work/connectomes"
    return f"{kept}/".startswith(f"{name}/") or (name.startswith(f"{kept}/") and not name.endswith(".tmp"))


def _content(out: Path) -> Iterator[Path]:
    return iter([out]) if out.is_file() else out.iterdir()


LOGS = {r"^out/logs/": "the logs have times and numbers of processes"}


def _app(*words: object) -> Words:
    return lambda folder, place: [
        *APP, folder / "fmriprep", place / OUT, "participant", "--model", folder / "model", *MAPS, *words,
    ]  # fmt: skip


def _work(*words: object) -> Words:
    """Return words of the workbench; a path that begins with IN/ or PLACE/ is in the inputs or the place."""

    def place_word(word: object, folder: Path, place: Path) -> str:
        return str(word).replace("IN/", f"{folder}/").replace("PLACE/", f"{place}/")

    return lambda folder, place: [*WORKBENCH, *(place_word(word, folder, place) for word in words)]


def _copy_output(folder: Path, place: Path) -> None:
    shutil.copytree(folder / OUT, place / OUT)


def _prepare_pages(folder: Path) -> None:
    inputs.write_participants(folder)
    words = _app("--nprocs", "1", "--reports", "none")(folder, folder)
    subprocess.run([str(word) for word in words], cwd=ROOT, check=True, capture_output=True)
    shutil.rmtree(folder / OUT / "logs")


@contextmanager
def _published_files(folder: Path) -> Iterator[dict[str, str]]:
    with file_server() as server:
        server.files.update({path.name: path.read_bytes() for path in (folder / "published").iterdir()})
        proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        yield {
            "DEEPTASKGEN_MIRROR": server.url,
            **{name: "" for proxy in proxies for name in (proxy, proxy.lower())},
        }


_TRAINING = (
    "--connectomes", "IN/connectomes", "--statmaps", "IN/measured", "--split", "IN/split.tsv",
    "--epochs", "2", "--batch-size", "2", "--learning-rate", "0.01", "--device", "cpu",
)  # fmt: skip
_TRAINED = {"changed": TRAININGS, "unfinished": r"^out\.training/", "overwrite": "--overwrite"}

CASES = (
    CommandCase(
        "participant", inputs.write_participants, _app("--nprocs", "2", "--reports", "none"), 5, excluded=LOGS
    ),
    CommandCase(
        "participant_pages",
        inputs.write_participants,
        _app("--nprocs", "1", "--reports", "full"),
        9,
        excluded=LOGS,
        changed=PAGES,
        provisional=states_failure,
    ),
    CommandCase(
        "reports_only",
        _prepare_pages,
        _app("--nprocs", "1", "--reports", "full", "--reports-only"),
        6,
        stage=_copy_output,
        excluded=LOGS,
        changed=PAGES,
    ),
    CommandCase(
        "group",
        inputs.write_group,
        lambda folder, place: [
            *APP, folder, place / OUT, "group", "--design", "age", "--nprocs", "1", "--reports", "full",
        ],
        6,
        stage=_copy_output,
    ),
    CommandCase(
        "store_pack",
        inputs.write_store_source,
        _work("store", "pack", "IN/out", "PLACE/out"),
        3,
        # The number of rows in the metadata and the records of the shards.
        unfinished=r"/zarr\.json$|^out/tables/shards/",
    ),
    CommandCase("store_check", inputs.write_packed_store, _work("store", "check", "PLACE/out"), 2,
                stage=_copy_output),
    CommandCase(
        "train",
        inputs.write_training,
        _work(
            "train", "PLACE/out", "--model", "IN/model", "--architecture", "unetminimal", "--fdim", "1",
            *_TRAINING,
        ),
        8,
        **_TRAINED,
    ),
    CommandCase(
        "finetune",
        inputs.write_training,
        _work("finetune", "PLACE/out", "--parent", "IN/model", "--strategy", "new-head", *_TRAINING),
        8,
        **_TRAINED,
    ),
    CommandCase(
        "fetch",
        inputs.write_published,
        lambda folder, _place: [*FETCH, folder / "models.json", "models", "fetch", "hcp-ya"],
        6,
        serve=_published_files,
        environment=lambda _folder, place: {"DEEPTASKGEN_HOME": str(place / OUT)},
    ),
    CommandCase(
        "export",
        inputs.write_roi_tables,
        _work(
            "export", "pcntoolkit", "IN/group/task-rest_seg-toy_desc-maps_rois.tsv", "PLACE/out/norm.csv",
            "--batch-effects", "sex",
        ),
        2,
        overwrite="--overwrite",
    ),
    CommandCase(
        "export_nipoppy",
        inputs.write_predicted_maps,
        _work("export", "nipoppy", "IN/maps", "PLACE/out"),
        3,
        overwrite="--overwrite",
    ),
    CommandCase(
        "biomarkers",
        inputs.write_traits,
        _work(
            "biomarkers", "PLACE/out", "--features", "maps=IN/store", "--target", "score",
            "--n-repeats", "1", "--n-permutations", "19", "--no-learning-curve",
        ),
        8,
        overwrite="--overwrite",
        changed=ANALYSES,
    ),
    CommandCase(
        "evaluate",
        inputs.write_evaluation,
        _work(
            "evaluate", "PLACE/out", "--predicted", "good=IN/good", "--measured", "IN/measured",
            "--n-permutations", "99",
        ),
        8,
        overwrite="--overwrite",
    ),
    CommandCase(
        "predict",
        inputs.write_image,
        lambda folder, place: [
            *WORKBENCH, "predict", folder / "bold.nii.gz", place / OUT, "--mask", folder / "mask.nii.gz",
            "--confounds", folder / "confounds.tsv", "--model", folder / "model", *MAPS,
            "--nprocs", "1", "--reports", "none", "--label", "01", "--t-r", "2",
        ],
        4,
        excluded=LOGS,
    ),
)  # fmt: skip
CASE_BY_NAME = {case.name: case for case in CASES}
