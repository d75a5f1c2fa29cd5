"""Calls of `deeptaskgen store`, and changes of a dataset."""

import numpy as np
import pytest

from bids_deeptaskgen.commands.store import check, pack
from bids_deeptaskgen.errors import InputError, UserError
from bids_deeptaskgen.settings.store import StoreCheckSettings, StorePackSettings
from tests.cohort_store.store.outputs import describe_maps
from tests.group.dataset import Plan, add_session


def run_pack(output, store=None, **changes):
    return pack.run(StorePackSettings(output, store or output.parent / "store", **changes))


def run_check(store, **changes):
    return check.run(StoreCheckSettings(store, **changes))


def only_map(output, label, contrast):
    (path,) = output.glob(f"sub-{label}/func/*contrast-{contrast}_*statmap.nii.gz")
    return path


def refusal(output, **changes):
    with pytest.raises(UserError) as caught:
        run_pack(output, **changes)
    assert not isinstance(caught.value, InputError)
    return str(caught.value)


def add_participants(output, labels, *, settings_hash=Plan.settings_hash, seed=5):
    """Add participants with random maps to a dataset."""
    plan = Plan(settings_hash=settings_hash)
    rng = np.random.default_rng(seed)
    for label in labels:
        maps = {contrast: 1 + rng.random((10, 8, 6)) for contrast in plan.contrasts}
        add_session(output, label, None, maps, metrics={"series": seed}, plan=plan)
    describe_maps(output)
