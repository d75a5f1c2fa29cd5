"""The benchmark of false positives, with few seeds."""

from benchmarks.group.false_positives import SCENARIOS, count_false_positives, page


def test_every_design_is_tested_and_listed_with_its_interval():
    results = {item.title: count_false_positives(item, 1) for item in SCENARIOS}
    text = page(results, 1, "command")
    assert [len(counts) for counts in results.values()] == [1, 1, 3, 3, 1]
    assert text.count("\n| ") == 10
    assert all(0 <= sum(item.shares) < 0.5 for counts in results.values() for item in counts.values())
    assert "[0.000, 0.975]" in text or "[0.025, 1.000]" in text
