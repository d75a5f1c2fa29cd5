"""Options without effect are refused or logged."""

from pathlib import Path

import numpy as np
import pytest

from bids_deeptaskgen.biomarkers.features.tables import TableReader
from bids_deeptaskgen.biomarkers.option_checks import refuse_combat_of_maps, warn_of_idle_options
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings
from tests.biomarkers.made_results import make_problem


def reader(name="maps", n_columns=0):
    columns = tuple(f"c{number}" for number in range(n_columns))
    values = np.zeros((1, n_columns), np.float32)
    return TableReader(
        name=name, participants=("1",), reasons={}, columns=columns, values=values, description=""
    )


def settings(**options):
    return BiomarkersSettings(out="/out", features=["maps=/store"], target=["age"], **options)


def warnings(caplog, *readers, kind="continuous", n_levels=0, family_column="family_id", **options):
    """Return the warnings of an analysis."""
    problem = make_problem(kind, n_levels=n_levels, family_column=family_column)
    warn_of_idle_options(settings(**options), [problem], readers or [reader()])
    return [record.getMessage() for record in caplog.records]


def test_combat_of_maps_alone_is_refused():
    with pytest.raises(UserError, match=r"`combat` site: all features are maps \(maps, task\)"):
        refuse_combat_of_maps(settings(combat="site"), [reader(), reader("task")])
    refuse_combat_of_maps(settings(combat="site"), [reader(), reader("idps", 3)])
    refuse_combat_of_maps(settings(), [reader()])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_folds": 4, "splits": Path("/s.tsv")}, "`n_folds` 4 has no effect: `splits`"),
        ({"n_repeats": 1, "splits": Path("/s.tsv")}, "`n_repeats` 1 has no effect: `splits`"),
        ({"n_repeats": 1, "leave_one_site_out": "site"}, "`n_repeats` 1 has no effect: `leave_one_site_out`"),
        ({"classifier": "ridge"}, "`classifier` ridge has no effect: no target has categories"),
        ({"n_components": 10}, "`n_components` 10 has no effect: all features are maps"),
        ({"family_column": ""}, "No table has a column family_id (`family_column`)"),
    ],
)
def test_an_option_without_effect_is_logged(caplog, options, words):
    (message,) = warnings(caplog, **options)
    assert message.startswith(words)


def test_components_that_exceed_the_columns_of_a_table_are_logged(caplog):
    readers = [reader(), reader("idps", 10), reader("rest", 300)]
    assert warnings(caplog, *readers, n_components=50) == [
        "`n_components` 50 does not reduce idps, which has 10 columns."
    ]


def test_options_with_effect_are_not_logged(caplog):
    assert not warnings(caplog, n_folds=4, n_repeats=1)
    assert not warnings(caplog, splits=Path("/s.tsv"))
    assert not warnings(caplog, kind="categorical", n_levels=2, classifier="ridge")
    assert not warnings(caplog, reader("rest", 300), n_components=50)
