"""The examples in docstrings give what they show, and every public name has one."""

import doctest
import inspect
from importlib import import_module
from pathlib import Path

import nibabel
import numpy as np
import pytest

import bids_deeptaskgen

PACKAGE = Path(bids_deeptaskgen.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
MIN_EXAMPLES = 40


def examples_of(module):
    """List the docstrings of a module that have examples."""
    return [test for test in doctest.DocTestFinder().find(import_module(module)) if test.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_give_what_they_show(module, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"np": np, "nibabel": nibabel, "Path": Path, "folder": tmp_path}
    if any("dataset" in example.source for test in examples_of(module) for example in test.examples):
        names["dataset"] = request.getfixturevalue("participants")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    log = []
    for test in examples_of(module):
        test.globs.update(names)
        runner.run(test, out=log.append)
    assert runner.failures == 0, "".join(log)


def test_there_are_examples_enough():
    assert sum(len(test.examples) for module in MODULES for test in examples_of(module)) >= MIN_EXAMPLES


@pytest.mark.parametrize("name", bids_deeptaskgen.__all__)
def test_each_public_name_is_documented_with_an_example(name):
    docstring = inspect.getdoc(getattr(bids_deeptaskgen, name))
    assert docstring
    assert "Examples\n--------\n" in docstring


def test_the_package_has_no_other_public_names():
    with pytest.raises(AttributeError, match="no_such_name"):
        bids_deeptaskgen.no_such_name  # noqa: B018
    assert set(bids_deeptaskgen.__all__) <= set(dir(bids_deeptaskgen))
