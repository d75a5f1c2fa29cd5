"""Words of the agreement within a session."""

from types import SimpleNamespace

import numpy as np

from bids_deeptaskgen.pipeline.agreement_files import agreement_metrics
from bids_deeptaskgen.report.reading.measures import AGREEMENT, agreement_measures


def measures_of(folder):
    metrics = agreement_metrics({column: np.array([0.2, 0.4]) for column in AGREEMENT})
    return agreement_measures(SimpleNamespace(record=metrics, path=lambda _kind: folder / "a.tsv"))


def test_each_column_of_the_table_of_agreement_is_a_measure(tmp_path):
    assert [measure.name for measure in measures_of(tmp_path)] == list(AGREEMENT)


def test_only_correlations_of_maps_have_the_remark_on_mean_maps(tmp_path):
    has_remark = {measure.name: "no mean maps" in measure.explanation for measure in measures_of(tmp_path)}
    assert has_remark.pop("bootstrap_relative_sd") is False
    assert all(has_remark.values())
