"""Small substitutes for the published files, and helpers to fetch them."""

import hashlib
import io
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_deeptaskgen.cli import workbench
from bids_deeptaskgen.commands.models.fetch import fetch_model, find_published
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.models.architecture import Architecture
from tests.bundles import tiny_network
from tests.fileserver import QUICK

MASK = "MNI_2mm_GM_mask_crop.nii"
ROIS = "melodic_IC_MNI_2mm.nii.gz"
HCP_YA = "main_model_hcp-ya_010525.ckpt"
HCP_D = "finetuned_model_hcp-d_010525.ckpt"
UKB = "finetuned_model_ukb_010525.ckpt"
# Output channels of the substitute of each published network.
CHANNELS = {HCP_YA: 47, HCP_D: 1, UKB: 1}
TIMEOUT_S = 120
FETCH_ALONE = (
    "import sys, pathlib; from bids_deeptaskgen.models import registry; "
    "registry.REGISTRY = pathlib.Path(sys.argv[1]); "
    "from bids_deeptaskgen.cli.workbench import main; sys.exit(main(sys.argv[2:]))"
)


def blob_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def network(name):
    return tiny_network(Architecture(in_channels=3, out_channels=CHANNELS[name], fdim=2), seed=len(name))


def checkpoint(name):
    """Build a Lightning checkpoint of a small network."""
    file = io.BytesIO()
    torch.save({"epoch": 19, "state_dict": network(name).state_dict(), "optimizer_states": []}, file)
    return file.getvalue()


def image(values, grid, name, folder):
    nib.save(nib.Nifti1Image(values, np.array(grid.affine)), folder / name)
    return (folder / name).read_bytes()


def deeptaskgen(capsys, *words):
    """Run the command; return exit code, standard output, and standard error without the log."""
    code = workbench.main([str(word) for word in words])
    output = capsys.readouterr()
    return code, output.out, output.err.rpartition("deeptaskgen: ")[2]


def refusal(name="hcp-ya", folder=None, **options):
    with pytest.raises(UserError) as caught:
        fetch_model(find_published(name), folder, QUICK, **options)
    return str(caught.value)


def file_names(folder):
    """List the names of all files in a folder and its subfolders, including hidden files."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def start(registry, *words, prefix=()):
    """Start the workbench in a separate process."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", FETCH_ALONE, str(registry), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(process):
    """Wait for a process; return its exit code and output."""
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    return process.returncode, output
