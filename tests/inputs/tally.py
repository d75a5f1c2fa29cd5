"""Counts of outcomes by alteration, as a table."""

from collections import Counter, defaultdict

from tests.inputs.judging import REFUSED, SAME, VIOLATION, WARNED
from tests.strategies.alteration import KINDS, VOCABULARY

COLUMNS = (SAME, REFUSED, WARNED, VIOLATION)


class Tally:
    """Outcomes of many recipes."""

    def __init__(self):
        self.counts = defaultdict(Counter)
        self.total = Counter()
        self.violations = {}

    def add(self, recipe, verdict):
        """Count an outcome."""
        self.total[verdict.outcome] += 1
        for name in recipe.names:
            self.counts[name][verdict.outcome] += 1
        if verdict.outcome == VIOLATION:
            self.violations[recipe] = verdict.problem

    def table(self, title):
        """Format the counts and the violations in Markdown."""
        n_examples = sum(self.total.values())
        lines = [f"## {title}: {n_examples} examples", "", f"| alteration | meaning | {' | '.join(COLUMNS)} |"]
        lines.append("|---|---|" + "---:|" * len(COLUMNS))
        names = sorted(VOCABULARY, key=lambda name: (KINDS.index(VOCABULARY[name].kind), name))
        for name in names:
            meaning = "preserved" if VOCABULARY[name].preserves else "damaged"
            numbers = " | ".join(str(self.counts[name][column]) for column in COLUMNS)
            lines.append(f"| {VOCABULARY[name].kind}: {name} | {meaning} | {numbers} |")
        numbers = " | ".join(str(self.total[column]) for column in COLUMNS)
        lines += [f"| all examples | | {numbers} |", ""]
        for recipe, problem in self.violations.items():
            lines += [f"- **{recipe}**: {' '.join(problem.split())[-1500:]}"]
        return "\n".join(lines) + "\n"
