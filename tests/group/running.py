"""Run the group level, and read its files."""

import json

import nibabel as nib
import numpy as np

from bids_deeptaskgen.bids.output.paths import output_path, sidecar_path
from bids_deeptaskgen.commands import group
from bids_deeptaskgen.io.tsv import read_tsv
from bids_deeptaskgen.settings.group import GroupSettings
from tests.group.dataset import BLOCK

ENTITIES = (("task", "rest"),)


def run(output, **changes):
    """Run the group level without a page, unless one is asked for; return the exit code."""
    changes = {"reports": "none", "nprocs": 1} | changes
    return group.run(GroupSettings(bids_dir=output.parent / "absent", output_dir=output, **changes))


def group_path(output, kind, *, entities=ENTITIES, **labels):
    """Return the path of a file of the group."""
    return output_path(output, kind, entities=entities, **labels)


def table(output, kind, **labels):
    """Read a table of the group."""
    return read_tsv(group_path(output, kind, **labels))


def block(output, stat, contrast="wm2bk", kind="group_statmap", **labels):
    """Read the block of a map of the group."""
    labels |= {"stat": stat} if stat else {}
    path = group_path(output, kind, contrast=contrast, **labels)
    return np.asarray(nib.load(path).dataobj)[BLOCK]


def effect(output, stat, name="age", contrast="wm2bk"):
    """Read the block of a map of a tested effect."""
    return block(output, stat, contrast, "group_effect_statmap", effect=name)


def sidecar(output, stat, contrast="wm2bk", kind="group_statmap", **labels):
    """Read the sidecar of a map of the group."""
    path = group_path(output, kind, contrast=contrast, stat=stat, **labels)
    return json.loads(sidecar_path(path).read_text("utf-8"))


def state(output):
    """Read the bytes of the files of the group by path, temporary files included."""
    files = [*(output / "group").rglob("*"), *output.glob("*.html"), *output.rglob("*.tmp")]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files if path.is_file()}


def reasons(output):
    """Read the reasons of missing maps by participant and session."""
    rows = read_tsv(output_path(output, "group_missing"))
    return {(row["participant_id"], row["session_id"]): row["reason"] for row in rows}
