"""The language of the project: imperative docstrings, Parameters sections, names from the glossary.

Both lists below grow: add a verb that is missing, or a name that hides what it stands for.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "bids_deeptaskgen").rglob("*.py"))
SUPPORT = sorted(
    path for folder in ("tests", "benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py")
)
TEXTS = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))

VERBS = frozenset(
    """
    Add Allocate Append Apply Approximate Assemble Assert Assign Attach Average Bootstrap Build
    Calibrate Call Cancel Check Choose Clean Clear Close Collect Combine Compare Compute Configure Convert
    Copy Correct Correlate Count Create Cross-match Cut Decompress Delete Derive Describe Detect Divide
    Download Draw Drop End Enlarge Estimate Evaluate Exclude Expand Explain Export Extend Extract Fetch
    Fill Filter Find Finish Fit Flatten Fold Format Gather Generate Group Guard Handle Hash Identify
    Import Initialise Insert Install Interpolate Invert Iterate Join Keep Link List Load Locate Log Look
    Map Mark Mask Match Measure Merge Mirror Move Multiply Name Normalise Open Order Pad Parse Place
    Plan Pool Predict Prefetch Prepare Print Process Project Prune Quote Raise Rank Read Record Reduce
    Refuse Register Remove Rename Render Replace Report Require Resample Reset Resize Resolve Restore
    Restrict Resume Return Round Run Sample Save Scale Score Search Select Send Serialise Set Shorten
    Show Simulate Skip Smooth Sort Split Stack Start Stop Store Submit Suggest Sum Switch Test Time Track
    Train Translate Transform Trim Truncate Turn Unmask Unpack Update Validate Wait Warn Warp Weight Wrap
    Write Yield
    """.split()  # noqa: SIM905 - easier to extend
)

# Pronouns, adverbs, prepositions and participles, which do not name the thing.
FORBIDDEN_NAMES = frozenset(
    """
    one own found told of shown wanted known others other each every given kept named asked listed
    chosen taken left lacking missing present absent having here where what who whom whose why how when
    before after below above within between around along across about ahead beside inside outside
    without both same again begun done seen scored fitted trained marked joined pooled computed cleaned
    needed used unused written filled validated requested received theirs ours mine most least best
    worst better worse high low old new fine whole plain near free allowed unknown typed settled spoilt
    refused declared described moved made at by on off up down all any some such this that these those
    it them everybody nobody somebody everything nothing anything something now then there once already
    still yet else instead together apart alone away twice said sent held got put lost torn drawn
    gathered padded dilated renamed staged searched compared related repeated succeeded placed folded
    projected synced adjusted joint simulated ended warped stored turned earlier later sure many few
    enough far wide slow deep person people
    """.split()  # noqa: SIM905 - easier to extend
)
FORBIDDEN_PARTS = re.compile(r"(?i)(?:^|_)(person|persons|people|everybody|nobody|somebody)(?:_|$)")

# Words of an earlier language of this project, in prose and messages.
FORBIDDEN_WORDS = re.compile(
    r"(?i)\b(everybody|nobody|somebody|person|persons|that there is|what is wanted|at hand|is told of|mend)\b"
)


class Offence(NamedTuple):
    """A place that breaks a rule."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Format the offence as compilers do."""
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line} {self.text}"


class Function(NamedTuple):
    """A function of a module."""

    path: Path
    node: ast.FunctionDef | ast.AsyncFunctionDef
    is_public: bool

    @property
    def summary(self) -> str:
        """Return the first line of the docstring, empty without one."""
        return (ast.get_docstring(self.node) or "").partition("\n")[0]

    @property
    def parameters(self) -> list[str]:
        """Return the names of the parameters, without `self` and `cls`."""
        args = self.node.args
        names = [arg.arg for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs]]
        names += [arg.arg for arg in (args.vararg, args.kwarg) if arg]
        return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def functions(path: Path) -> Iterator[Function]:
    """Yield functions and methods of a module, without those inside functions."""

    def walk(body: list[ast.stmt], *, is_public: bool) -> Iterator[Function]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(path, node, is_public and not node.name.startswith("_"))
            elif isinstance(node, ast.ClassDef):
                yield from walk(node.body, is_public=is_public and not node.name.startswith("_"))

    yield from walk(ast.parse(path.read_text("utf-8")).body, is_public=True)


def bound_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that a module binds: variables, parameters, functions, classes."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def is_bad_name(name: str) -> bool:
    """Return whether a name is a word that does not say what it stands for."""
    is_dunder = name.startswith("__")
    return not is_dunder and name.strip("_").lower() in FORBIDDEN_NAMES or bool(FORBIDDEN_PARTS.search(name))


def first_word(summary: str) -> str:
    """Return the first word of a summary."""
    return re.split(r"[\s:,.]", summary, maxsplit=1)[0]


def summaries_without_verb(path: Path) -> list[Offence]:
    """List functions whose docstring does not begin with an allowed verb; properties too."""
    return [
        Offence(path, function.node.lineno, f"{function.node.name}: {function.summary!r}")
        for function in functions(path)
        if function.summary and first_word(function.summary) not in VERBS
    ]


def undocumented_parameters(path: Path) -> list[Offence]:
    """List public functions of two or more parameters whose docstring does not describe each."""
    offences = []
    for function in functions(path):
        if not function.is_public or len(function.parameters) < 2 or function.node.name.startswith("__"):
            continue
        docstring = inspect.cleandoc(ast.get_docstring(function.node) or "")
        section = re.search(r"(?s)^Parameters\n-+\n(.*?)(?:\n\n\w+\n-+\n|\Z)", docstring, re.MULTILINE)
        described = {
            name.strip(" *")
            for line in (section[1].splitlines() if section else [])
            if not line.startswith(" ")
            for name in line.partition(":")[0].split(",")
        }
        if lacking := [name for name in function.parameters if name not in described]:
            offences.append(
                Offence(path, function.node.lineno, f"{function.node.name}: {', '.join(lacking)}")
            )
    return offences


def bad_names(path: Path) -> list[Offence]:
    """List bound names that are forbidden."""
    return [Offence(path, line, name) for line, name in bound_names(path) if is_bad_name(name)]


def forbidden_words(path: Path) -> list[Offence]:
    """List lines of a text that use words outside the glossary."""
    return [
        Offence(path, number, line.strip())
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if FORBIDDEN_WORDS.search(line)
    ]


def listed(offences: list[Offence]) -> str:
    """Format offences one per line."""
    return "\n".join(map(str, offences))


def test_docstrings_begin_with_an_imperative_verb():
    offences = [offence for path in MODULES for offence in summaries_without_verb(path)]
    assert not offences, f"Begin with a verb of VERBS, or add yours to it:\n{listed(offences)}"


def test_public_functions_describe_their_parameters():
    offences = [offence for path in MODULES for offence in undocumented_parameters(path)]
    assert not offences, f"Describe these in a section 'Parameters':\n{listed(offences)}"


def test_names_say_what_they_stand_for():
    offences = [offence for path in MODULES for offence in bad_names(path)]
    assert not offences, f"Name the thing:\n{listed(offences)}"


def test_participants_are_called_participants():
    offences = [offence for path in MODULES + TEXTS for offence in forbidden_words(path)]
    assert not offences, f"Use the words of the glossary:\n{listed(offences)}"


@pytest.mark.parametrize(
    ("source", "check", "n_offences"),
    [
        ('def f():\n    """Return x."""\n', summaries_without_verb, 0),
        ('def f():\n    """Tell whether x."""\n', summaries_without_verb, 1),
        ('class A:\n    """A thing."""\n    def f(self):\n        """The x."""\n', summaries_without_verb, 1),
        ('def f(a, b):\n    """Add."""\n', undocumented_parameters, 1),
        (
            'def f(a, b):\n    """Add.\n\n    Parameters\n    ----------\n    a, b : int\n    """\n',
            undocumented_parameters,
            0,
        ),
        (
            'def f(a, b):\n    """Add.\n\n    Parameters\n    ----------\n    a : int\n    """\n',
            undocumented_parameters,
            1,
        ),
        ('def _f(a, b):\n    """Add."""\n', undocumented_parameters, 0),
        ("found = 1\n", bad_names, 1),
        ("for one in (): pass\n", bad_names, 1),
        ("def f(of, *, n_people): _told = 1\n", bad_names, 3),
        ("n_found = row = 1\n", bad_names, 0),
        ("# nobody is left\n", forbidden_words, 1),
        ("# no participant remains\n", forbidden_words, 0),
    ],
)
def test_the_lint_finds_offences(tmp_path, source, check, n_offences):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert len(check(path)) == n_offences
