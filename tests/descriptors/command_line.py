"""Command lines of Boutiques descriptors, and legal values of each input."""

import json
import shlex
from pathlib import Path

from bids_deeptaskgen.cli import app
from bids_deeptaskgen.cli.parser import from_namespace
from bids_deeptaskgen.settings.option import option_specs

FOLDER = Path(__file__).parents[2] / "descriptors"
# Legal values of the inputs of text, beside choices and defaults.
TEXTS = {
    "participant_label": ["01", "02"],
    "exclude_participant_label": ["03"],
    "session_label": ["1", "2"],
    "run_id": ["1"],
    "derivatives": ["fmriprep=/data/fmriprep", "aroma=/data/my aroma"],
    "contrasts": ["WM 2BK-0BK", "EMOTION"],
    "mem": ["1.5G"],
    "design": ["age + C(sex)"],
    "covariates": ["mean_fd", "tsnr"],
    "session_difference": ["post-pre"],
    "atlas": ["Schaefer2018_desc-100Parcels7Networks"],
    "froi": ["/data/search space.nii.gz"],
    "froi_labels": ["1", "Left Amygdala"],
    "store": ["/out/store"],
    "work_dir": ["/work"],
    "output_dir": ["/out"],
}


def read_json(name):
    """Return the content of a committed file."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def specs_by_name():
    """Return the options of both levels."""
    return {
        spec.name: spec
        for command in reversed(app.LEVELS.values())
        for spec in option_specs(command.settings)
    }


def render(descriptor, invocation):
    """Return the words of the command line; `make test-descriptors` compares it with that of Boutiques."""
    text = descriptor["command-line"]
    for item in descriptor["inputs"]:
        value = invocation.get(item["id"])
        if value is None or value is False:
            text = text.replace(" " + item["value-key"], "")
            continue
        flag = item.get("command-line-flag", "")
        words = " ".join(shlex.quote(str(part)) for part in (value if isinstance(value, list) else [value]))
        if item["type"] == "Flag":
            words = flag
        elif flag:
            words = flag + item.get("command-line-flag-separator", " ") + words
        text = text.replace(item["value-key"], words)
    return shlex.split(text)


def parse(words):
    """Return the settings of a command line of the BIDS App, as the program reads them."""
    program, *arguments = words
    assert program == "bids-deeptaskgen"
    namespace = app.make_parser().parse_args(arguments)
    app._check_level(namespace, namespace.analysis_level)
    return from_namespace(app.LEVELS[namespace.analysis_level].settings, namespace)


def write_files(folder):
    """Write a file for each input that is a file; return the paths by name of the input."""
    contents = {"bids_filter_file": '{"bold": {"run": "1"}}', "config_file": "nprocs = 3\n"}
    names = [item["id"] for item in read_json("boutiques.json")["inputs"] if item["type"] == "File"]
    paths = {name: folder / f"{name} file" for name in names}
    for name, path in paths.items():
        path.write_text(contents.get(name, ""), "utf-8")
    return {name: str(path) for name, path in paths.items()}


def values_of(item, files):
    """Return legal values of an input."""
    name = item["id"]
    if item["type"] == "Flag":
        return [True]
    if "value-choices" in item:
        return item["value-choices"]
    if item["type"] == "File":
        return [files[name]]
    if item["type"] == "Number":
        # Numbers without an upper bound have a lower one.
        start, end = item["minimum"], item.get("maximum", item["minimum"] + 3)
        return [end] if item.get("exclusive-minimum") else [start, end]
    if name in TEXTS:
        values = TEXTS[name]
    else:
        spec = specs_by_name()[name]
        default = spec.default if spec.is_tuple else (spec.default,)
        values = [spec.format(value) for value in default]
    return [values] if item.get("list") else values


def level_of(descriptor, name):
    """Return a level whose program accepts an input."""
    (level_item,) = (item for item in descriptor["inputs"] if item["id"] == "analysis_level")
    return next(level for level, excluded in level_item["value-disables"].items() if name not in excluded)


def complete_invocation(descriptor, level, files):
    """Return an invocation with each input that a level accepts, except those that exclude others."""
    (level_item,) = (item for item in descriptor["inputs"] if item["id"] == "analysis_level")
    excluded = {*level_item["value-disables"][level], "no_combine_runs"}
    values = {
        item["id"]: values_of(item, files)[-1] for item in descriptor["inputs"] if item["id"] not in excluded
    }
    return values | {"analysis_level": level}
