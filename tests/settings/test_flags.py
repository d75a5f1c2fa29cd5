"""Parameter names in messages become flags where a user of the command line reads them."""

import pytest

from bids_deeptaskgen.settings.flags import with_flags


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
