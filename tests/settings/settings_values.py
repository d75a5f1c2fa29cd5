"""Legal values for every field of every settings class."""

from pathlib import Path

from hypothesis import reject
from hypothesis import strategies as st

from bids_deeptaskgen.cli import app, workbench
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.biomarkers import FeatureSource
from bids_deeptaskgen.settings.evaluation import EvaluateSettings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from bids_deeptaskgen.settings.value_types import AutoFloat, AutoInt, NamedPath

CLASSES = tuple(command.settings for command in (*app.LEVELS.values(), *workbench.VERBS.values()))

# The rest follows from the kind of the value.
_EXAMPLES: dict[str, object] = {"bids_dir": "/data", "output_dir": "/out"}
# What need not be given by itself, but something like it must.
_TOGETHER: dict[type[Settings], dict[str, object]] = {
    EvaluateSettings: {"predicted": (("mine", Path("/maps")),)}
}


def _example(spec: OptionSpec) -> object:
    """Return a legal value of a required option."""
    if spec.option.choices:
        return spec.option.choices[0]
    if spec.kind is FeatureSource:
        return (FeatureSource("mine", Path("/features")),)
    value = _EXAMPLES.get(spec.name, f"/{spec.name}" if spec.kind is Path else "mine")
    return (value,) if spec.is_tuple else value


# Values of the required options of each class.
REQUIRED: dict[type[Settings], dict[str, object]] = {
    each: {spec.name: _example(spec) for spec in option_specs(each) if spec.is_required}
    | _TOGETHER.get(each, {})
    for each in CLASSES
}

# No surrogates (no UTF-8 has them), no NUL (no command line has it); quotes, escapes, DEL and what looks like
# an option or a home are what could go wrong.
texts = st.text(st.one_of(st.sampled_from("\"'\\=-~%#\n\t\x7f "), st.characters(exclude_categories=["Cs"])))
texts = texts.map(lambda text: text.replace("\0", ""))
filled_texts = texts.filter(str.strip)
paths = st.lists(texts.map(lambda text: text.replace("/", "")).filter(bool), min_size=1, max_size=3).map(
    lambda parts: Path("/", *parts)
)
# White space at an end is legal only in the name of an existing file.
paths = paths.filter(lambda path: str(path) == str(path).strip())
labels = st.text("0123456789abzABZ+", min_size=1, max_size=4)
names = st.from_regex(r"[0-9A-Za-z][0-9A-Za-z_.\-]{0,8}", fullmatch=True)
parts = st.text("0123456789abzABZ", min_size=1, max_size=4)
wholes = st.integers(0, 2**32 - 1)
numbers = st.floats(min_value=0, allow_infinity=False)

_BY_NAME: dict[str, st.SearchStrategy] = {
    "verbose": st.integers(0, 3),
    "task": st.integers(1, 99).flatmap(lambda n: st.integers(1, n).map(lambda i: f"{i}/{n}")),
    "task_id": st.lists(labels, min_size=1, max_size=3, unique=True).map(tuple),
    # Excludes --no-combine-runs; the tests of this option set it.
    "combine_tasks": st.just(False),  # noqa: FBT003
    "desc": labels,
    "halves": st.one_of(st.just(()), st.lists(paths, min_size=2, max_size=2, unique=True).map(tuple)),
    "name": names,
    "model": st.one_of(names, paths.map(str)),
    "folder": st.one_of(names, paths.map(str)),
    # Must exist; the tests of this option create it.
    "bids_filter_file": st.none(),
    "label": st.one_of(st.none(), labels),
    "measured_session": st.one_of(st.none(), labels),
    "retest_session": st.one_of(st.none(), labels),
    "device": st.sampled_from(["auto", "cpu", "cuda", "cuda:0", "cuda:12"]),
    "chunk_size": st.integers(1, 64),
    "parent": st.one_of(names, paths.map(str)),
    "validation_share": st.floats(0.01, 0.4),
    "test_share": st.floats(0, 0.4),
    "n_devices": st.sampled_from([1, 2]),
    "n_nodes": st.sampled_from([1, 5]),
    "batch_size": st.integers(1, 10).map(lambda number: 10 * number),
    "n_folds": st.integers(2, 100),
    "features": st.lists(
        st.builds(FeatureSource, names, paths, st.lists(parts, max_size=2, unique=True).map(tuple)),
        min_size=1,
        max_size=3,
        unique_by=lambda source: source.name,
    ).map(tuple),
    "high_pass": st.one_of(st.just("auto"), st.floats(0, 0.25)),
    "mem": st.one_of(st.none(), st.floats(0.5, 1e6)),
    # Disjoint ranges, so that they rarely contradict each other.
    "omp_nthreads": st.one_of(st.none(), st.integers(1, 8)),
    "nprocs": st.one_of(st.none(), st.integers(8, 200)),
    "predicted": st.lists(
        st.tuples(names, paths), min_size=1, max_size=3, unique_by=lambda pair: pair[0]
    ).map(tuple),
    "derivatives": st.lists(st.tuples(names, paths), max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
}
_BY_KIND: dict[object, st.SearchStrategy] = {
    str: filled_texts,
    bool: st.booleans(),
    int: wholes,
    float: numbers,
    Path: paths,
    AutoInt: st.one_of(st.just("auto"), wholes),
    AutoFloat: st.one_of(st.just("auto"), numbers),
}


def values_of(spec: OptionSpec) -> st.SearchStrategy:
    """Return the strategy of legal values of a field."""
    if spec.name == "contrasts":
        return st.lists(filled_texts, max_size=3, unique=True).map(tuple) if spec.is_tuple else names
    if spec.name in _BY_NAME and not (spec.name == "task_id" and not spec.is_tuple):
        return _BY_NAME[spec.name]
    if spec.option.metavar == "LABEL" and not spec.is_tuple:
        return st.one_of(st.none(), labels) if spec.is_optional else labels
    if spec.option.choices:
        choice = st.sampled_from(spec.option.choices)
        return st.lists(choice, max_size=3, unique=True).map(tuple) if spec.is_tuple else choice
    if spec.is_tuple:
        assert spec.kind is not NamedPath
        return st.lists(paths if spec.kind is Path else labels, max_size=3, unique=True).map(tuple)
    values = texts if spec.option.may_be_empty else _BY_KIND[spec.kind]
    if spec.option.check:
        values = values.filter(spec.option.check.accepts)
    return st.one_of(st.none(), values) if spec.is_optional else values


# Built once, because building a strategy takes longer than drawing from it.
_OF_CLASS = {each: [(spec, values_of(spec)) for spec in option_specs(each)] for each in CLASSES}
_coins = st.booleans()


@st.composite
def settings_of(draw: st.DrawFn, settings_class: type[Settings]) -> Settings:
    """Generate legal settings, with any number of fields that differ from their defaults."""
    given = {
        spec.name: draw(values)
        for spec, values in _OF_CLASS[settings_class]
        if spec.is_required or draw(_coins)
    }
    try:
        return settings_class(**given)
    except UserError:  # each value is legal, but not their combination
        reject()


def settings_of_any_class() -> st.SearchStrategy:
    """Return the strategy of legal settings of any command."""
    return st.sampled_from(CLASSES).flatmap(settings_of)
