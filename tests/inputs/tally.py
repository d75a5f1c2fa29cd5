"""Counts of outcomes by alteration, as a table."""

import json
from collections import Counter, defaultdict

from tests.inputs.judging import REFUSED, SAME, VIOLATION, WARNED
from tests.strategies.alteration import VOCABULARY
from tests.strategies.recipes import names_of

COLUMNS = (SAME, REFUSED, WARNED, VIOLATION)
ALL = "all examples"
LONGEST_PROBLEM = 1500


class Tally:
    """Outcomes of many recipes.

    Parameters
    ----------
    kinds : tuple of str
        Kinds of alterations.
    title : str
    """

    def __init__(self, kinds, title):
        self.kinds, self.title = kinds, title
        self.counts = defaultdict(Counter)
        self.violations = {}

    def add(self, recipe, verdict):
        """Count an outcome."""
        for name in (ALL, *recipe.names):
            self.counts[name][verdict.outcome] += 1
        if verdict.outcome == VIOLATION:
            self.violations[recipe] = verdict.problem

    def save(self, path):
        """Write the counts and the violations."""
        content = {
            "title": self.title,
            "kinds": self.kinds,
            "counts": self.counts,
            "violations": {str(recipe): problem for recipe, problem in self.violations.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), "utf-8")


def report_of(paths):
    """Join saved tallies of the same title, and format them in Markdown."""
    tallies = {}
    for path in paths:
        content = json.loads(path.read_text("utf-8"))
        tally = tallies.setdefault(content["title"], Tally(tuple(content["kinds"]), content["title"]))
        for name, counts in content["counts"].items():
            tally.counts[name].update(counts)
        tally.violations |= content["violations"]
    return "\n".join(_table(tally) for tally in tallies.values())


def _table(tally):
    n_examples = sum(tally.counts[ALL].values())
    names = names_of(tally.kinds)
    lines = [
        f"## {tally.title}: {n_examples} examples of {len(names)} alterations",
        "",
        f"| alteration | meaning | {' | '.join(COLUMNS)} |",
        "|---|---|" + "---:|" * len(COLUMNS),
    ]
    for name in names:
        meaning = "preserved" if VOCABULARY[name].preserves else "damaged"
        lines.append(f"| {VOCABULARY[name].kind}: {name} | {meaning} | {_numbers(tally.counts[name])} |")
    lines += [f"| {ALL} | | {_numbers(tally.counts[ALL])} |", ""]
    for recipe, problem in tally.violations.items():
        lines.append(f"- **{recipe}**: {' '.join(problem.split())[-LONGEST_PROBLEM:]}")
    return "\n".join(lines) + "\n"


def _numbers(counts):
    return " | ".join(str(counts[column]) for column in COLUMNS)
