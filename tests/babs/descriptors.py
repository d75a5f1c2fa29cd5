"""The descriptors for BABS, with a user's edits, and the command that BABS composes from them."""

import json
import shlex

import yaml

from tests.processes import ROOT, SMALL

FOLDER = ROOT / "descriptors" / "babs"
# Values of --processing_level by the name of the descriptor.
LEVELS = {"participant": "subject", "session": "session"}
OUTPUT = "outputs/deeptaskgen"
WORK = ".git/tmp/wkdir"
# Values for the small dataset on a small machine.
EDITS = {**dict(zip(SMALL[::2], SMALL[1::2], strict=True)), "--nprocs": "1"}


def read_descriptor(level):
    """Read the descriptor for jobs of a participant or of a session."""
    return yaml.safe_load((FOLDER / f"deeptaskgen_{level}.yaml").read_text("utf-8"))


def edited_descriptor(level, *, is_zipped=True):
    """Read a descriptor with options for the small dataset."""
    descriptor = read_descriptor(level)
    descriptor["bids_app_args"] |= EDITS
    descriptor["input_datasets"]["fmriprep"]["is_zipped"] = is_zipped
    return descriptor


def input_folder(descriptor):
    """Return the folder of the participants in a job, relative to the clone."""
    ((name, dataset),) = descriptor["input_datasets"].items()
    return f"{dataset['path_in_babs']}/{name}" if dataset["is_zipped"] else dataset["path_in_babs"]


def app_words(descriptor, clone, subject, session=None, *, filter_file=None):
    """Compose the words behind the image as BABS 0.5.4 does; `make test-babs` compares them with its own.

    Parameters
    ----------
    descriptor : dict
    clone : Path
        Working folder of the job.
    subject, session : str
        With ``sub-`` and ``ses-``.
    filter_file : Path or None
        The file of `write_filter_file`.

    Returns
    -------
    list of str
    """
    options, selection = [], None
    for key, value in descriptor["bids_app_args"].items():
        if key == "$SUBJECT_SELECTION_FLAG":
            selection = value
        elif key == "$SESSION_SELECTION_FLAG":
            options.append(f"{value} {session}")
        elif value in ("", None):
            options.append(key)
        else:
            # As BABS, which fails for a number.
            is_placeholder = value.startswith("$BABS_")
            options.append(f'{key} "{clone / WORK}"' if is_placeholder else f"{key} {value}")
    filters = [f"--bids-filter-file {filter_file}"] if filter_file else []
    level = [f'"{clone / input_folder(descriptor)}"', f'"{clone / OUTPUT}"', "participant"]
    return shlex.split(" ".join([*level, *filters, *options, f'{selection} "{subject}"']))


def write_filter_file(clone, session):
    """Write the filter file of a session, as BABS does for containers with fmriprep in their name."""
    label = session.removeprefix("ses-")
    anatomical = {"flair": "FLAIR", "t2w": "T2w", "t1w": "T1w", "roi": "roi"}
    queries = {
        "fmap": {"datatype": "fmap"},
        "bold": {"datatype": "func", "session": label, "suffix": "bold"},
        "sbref": {"datatype": "func", "session": label, "suffix": "sbref"},
        **{
            name: {"datatype": "anat", "session": label, "suffix": suffix}
            for name, suffix in anatomical.items()
        },
    }
    path = clone / f"{session}_filter.json"
    path.write_text(json.dumps(queries), "utf-8")
    return path
