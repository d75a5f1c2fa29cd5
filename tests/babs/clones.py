"""The working folder of a job of BABS: a sparse clone of a dataset whose files are links into an annex."""

import hashlib
import json
import os
import shutil

from tests.babs.descriptors import OUTPUT, WORK, input_folder
from tests.processes import results


def make_clone(dataset, folder, descriptor, subject, session=None, *, others="absent"):
    """Write the clone of a job, in which only the files of its participant, or its session, have content.

    Parameters
    ----------
    dataset : Path
        Output of fMRIPrep.
    folder : Path
        New folder.
    descriptor : dict
    subject, session : str
        With ``sub-`` and ``ses-``.
    others : {"absent", "dangling"}
        BABS removes the folders of other participants; in a plain clone, their links dangle.

    Returns
    -------
    Path
        `folder`, with the empty folders for output and work.
    """
    root = folder / input_folder(descriptor)
    (root / ".git").mkdir(parents=True)
    for source in sorted(path for path in dataset.rglob("*") if path.is_file()):
        name = source.relative_to(dataset)
        in_root = not name.parts[0].startswith("sub-")
        is_selected = name.parts[0] == subject and session in (None, name.parts[1])
        if not (in_root or is_selected or others == "dangling"):
            continue
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if in_root and source.suffix == ".json":
            shutil.copy2(source, root / name)
        else:
            _annex(source, root, root / name, has_content=is_selected)
    for name in (OUTPUT, WORK):
        (folder / name).mkdir(parents=True)
    return folder


def _annex(source, root, link, *, has_content):
    """Write a link with the name of git-annex's key, and its read-only object if it has content."""
    content = source.read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    key = f"MD5E-s{len(content)}--{digest}{''.join(source.suffixes[-2:])}"
    target = root / ".git" / "annex" / "objects" / digest[:2] / digest[2:4] / key / key
    link.symlink_to(os.path.relpath(target, link.parent))
    if has_content:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The time of modification is in the completion records.
        shutil.copy2(source, target)
        target.chmod(0o444)


def merge_outputs(outputs, folder):
    """Copy the outputs of several jobs over each other, as unpacking all results does."""
    for output in outputs:
        shutil.copytree(output, folder, dirs_exist_ok=True)
    return folder


def comparable(output, *, keeps_times=True):
    """Return the bytes of all files of an output dataset that do not depend on the place of the input.

    Parameters
    ----------
    output : Path
    keeps_times : bool
        False if the input was unzipped or copied by git-annex, which change times of modification.

    Returns
    -------
    dict of str to bytes
        Without the page of the group, which states when it was made.
    """
    contents = results(output)
    contents.pop("group.html")
    description = json.loads(contents["dataset_description.json"])
    description.pop("DatasetLinks")
    contents["dataset_description.json"] = json.dumps(description).encode()
    for name in [name for name in contents if name.endswith("_desc-qc_metrics.json") and not keeps_times]:
        record = json.loads(contents[name])
        record.get("DeepTaskGen", {}).pop("InputFingerprint", None)
        contents[name] = json.dumps(record).encode()
    return contents
