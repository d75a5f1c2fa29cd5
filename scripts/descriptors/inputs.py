"""Inputs of Boutiques descriptors, from the options of settings classes."""

from pathlib import Path
from typing import Any

from bids_deeptaskgen.settings.bids_filter_file import FilterFile
from bids_deeptaskgen.settings.option import OptionSpec

# Paths that the program creates. As files, Boutiques would require that they exist.
WRITTEN_PATHS = frozenset({"output_dir", "out", "store", "work_dir"})


def value_key(name: str) -> str:
    """Return the key that stands for an input in a command line: ``[FD_THRESHOLD]``."""
    return f"[{name.upper()}]"


def describe_option(spec: OptionSpec) -> list[dict[str, Any]]:
    """Describe an option as Boutiques inputs.

    Defaults are part of the description only. A default value of Boutiques would appear on each command line,
    and the group level refuses options of the participant level.

    Parameters
    ----------
    spec : OptionSpec

    Returns
    -------
    list of dict
        One input; two for a switch whose default is on, since its negation is another word.
    """
    default = f" (default: {spec.default_text})" if spec.default_text else ""
    head = {
        "id": spec.name,
        "name": spec.name.replace("_", " "),
        # `bosh pprint` formats descriptions with %, and stops at this sign.
        "description": (spec.option.help + default).replace("%", " percent"),
    }
    tail = {"optional": not spec.is_required, "value-key": value_key(spec.name)}
    if spec.option.count:
        # The words themselves, without a flag: a flag of Boutiques cannot be repeated.
        return [head | {"type": "String", "value-choices": ["-v", "-vv"]} | tail]
    if spec.kind is bool:
        return _describe_switch(spec, head, tail)
    content = head | _describe_value(spec) | tail
    if spec.is_tuple:
        content |= {"list": True, "min-list-entries": 1}
    if not spec.option.positional:
        content["command-line-flag"] = spec.flag
        if not spec.is_tuple:
            # One word, so that a value that begins with "-" is not taken for an option.
            content["command-line-flag-separator"] = "="
    return [content]


def _describe_switch(spec: OptionSpec, head: dict[str, Any], tail: dict[str, Any]) -> list[dict[str, Any]]:
    switch = head | {"type": "Flag"} | tail | {"optional": True, "command-line-flag": spec.flag}
    if spec.default is not True:
        return [switch]
    name = f"no_{spec.name}"
    negation = {
        "id": name,
        "name": name.replace("_", " "),
        "description": f"do not {spec.option.help}",
        "value-key": value_key(name),
        "command-line-flag": f"--no-{spec.flag.removeprefix('--')}",
    }
    return [switch, switch | negation]


def _describe_value(spec: OptionSpec) -> dict[str, Any]:
    """Describe the type of one value, and its legal values as far as Boutiques can."""
    if spec.option.choices:
        return {"type": "String", "value-choices": list(spec.option.choices)}
    if spec.kind in (Path, FilterFile):
        return {"type": "String" if spec.name in WRITTEN_PATHS else "File"}
    # A parser of its own, as that of 16G, accepts more than numbers.
    if spec.kind in (int, float) and spec.option.parse is None:
        return {"type": "Number", **({"integer": True} if spec.kind is int else {}), **_bounds(spec)}
    return {"type": "String"}


def _bounds(spec: OptionSpec) -> dict[str, Any]:
    check = spec.option.check
    if check is None:
        return {}
    bounds: dict[str, Any] = {}
    if check.minimum is not None:
        bounds["minimum"] = check.minimum
    if check.excludes_minimum:
        bounds["exclusive-minimum"] = True
    if check.maximum is not None:
        bounds["maximum"] = check.maximum
    return bounds
