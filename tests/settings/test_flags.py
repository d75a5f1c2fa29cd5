"""Parameter names in messages become flags where a user of the command line reads them."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

import bids_deeptaskgen.settings
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.flags import with_flags
from bids_deeptaskgen.settings.option import option_specs


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Lower `min_minutes`.", "Lower --min-minutes."),
        ("`n_windows` and `fd_threshold`", "--n-windows and --fd-threshold"),
        ("`from_folder`", "--from-folder"),
        ("`baseline_train`", "--baseline-train"),
        ("`not_an_option`", "`not_an_option`"),
        ("min_minutes", "min_minutes"),
    ],
)
def test_only_options_in_backticks_become_flags(message, shown):
    assert with_flags(message) == shown


@pytest.mark.parametrize("name", [module.name for module in iter_modules(bids_deeptaskgen.settings.__path__)])
def test_the_options_of_every_module_become_flags(name):
    module = import_module(f"bids_deeptaskgen.settings.{name}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Settings):
            for spec in option_specs(value):
                # A positional argument of one command may be an option of another.
                assert spec.option.positional or with_flags(f"`{spec.name}`") == spec.flag
