"""The plan of a run over many participants takes seconds."""

import time

from tests.bids.trees import BOLD, CONFOUNDS, MASK, describe
from tests.inprocess import call

N_PARTICIPANTS = 1000


def test_the_plan_for_a_thousand_participants_takes_seconds(tmp_path):
    root = describe(tmp_path / "in")
    names = (BOLD, BOLD.replace(".nii.gz", ".json"), MASK, CONFOUNDS, "desc-coreg_boldref.nii.gz")
    for number in range(N_PARTICIPANTS):
        func = root / f"sub-{number:04d}" / "func"
        func.mkdir(parents=True)
        for run in (1, 2):
            for name in names:
                (func / f"sub-{number:04d}_task-rest_run-{run}_{name}").touch()
    start = time.process_time()
    ended = call(root, tmp_path / "out", "participant", "--dry-run", "--model", "embedded")
    seconds = time.process_time() - start
    assert ended.code == 0
    assert f"{N_PARTICIPANTS} participants would be processed" in ended.out
    # Time of the processor, since other processes may use the machine.
    assert seconds < 10
