"""Boutiques descriptors of the BIDS App and of the export of imaging-derived phenotypes."""

import re
from typing import Any

from bids_deeptaskgen.cli import app
from bids_deeptaskgen.settings.export import ExportNipoppySettings
from bids_deeptaskgen.settings.option import OptionSpec, option_specs
from scripts.descriptors.inputs import describe_option, value_key

AUTHOR = "The bids_deeptaskgen developers"
# As the scripts in docs/cluster: cores, GB, and seconds for one participant.
_RESOURCES = {"cpu-cores": 4, "ram": 4, "walltime-estimate": 3600}
_EXPORT_RESOURCES = {"cpu-cores": 1, "ram": 2, "walltime-estimate": 3600}


def app_descriptor(version: str, image: str) -> dict[str, Any]:
    """Describe ``bids-deeptaskgen``, both levels.

    Parameters
    ----------
    version : str
        Version of the program.
    image : str
        Name of the container image.

    Returns
    -------
    dict
    """
    parser = app.make_parser()
    inputs, groups = _describe(_app_specs())
    inputs.insert(2, _analysis_level())
    inputs += [_config_file(), *_no_ops()]
    descriptor = _descriptor(app.PROG, "bids_deeptaskgen", str(parser.description), version, image, inputs)
    output = value_key("output_dir")
    return descriptor | {
        "groups": groups,
        "output-files": [
            # Optional: --dry-run writes nothing.
            _output_file("output_dataset", "output dataset", output),
            _output_file(
                "dataset_description", "description of the dataset", f"{output}/dataset_description.json"
            ),
            _output_file("group_page", "page of the group level", f"{output}/group.html"),
        ],
        "error-codes": exit_codes(str(parser.epilog)),
        "suggested-resources": _RESOURCES,
        "tags": {"domain": ["neuroinformatics", "fmri"], "bids-app": True},
    }


def export_descriptor(version: str, image: str) -> dict[str, Any]:
    """Describe ``deeptaskgen export nipoppy``.

    Parameters
    ----------
    version : str
        Version of the program.
    image : str
        Name of the container image.

    Returns
    -------
    dict
    """
    inputs, _ = _describe({spec.name: spec for spec in option_specs(ExportNipoppySettings)})
    descriptor = _descriptor(
        "deeptaskgen export nipoppy",
        "deeptaskgen_idps",
        str(ExportNipoppySettings.__doc__),
        version,
        image,
        inputs,
    )
    return descriptor | {
        "output-files": [_output_file("tables", "folder of the tables", value_key("out"))],
        "error-codes": exit_codes(str(app.make_parser().epilog)),
        "suggested-resources": _EXPORT_RESOURCES,
        "tags": {"domain": ["neuroinformatics", "fmri"]},
    }


def app_invocation() -> dict[str, Any]:
    """Return an example: the maps of one participant of derivatives in ``fmriprep``."""
    return {
        "bids_dir": "fmriprep",
        "output_dir": "deeptaskgen",
        "analysis_level": "participant",
        "participant_label": ["01"],
        "model": "hcp-ya",
        "fd_threshold": 0.5,
    }


def exit_codes(epilog: str) -> list[dict[str, Any]]:
    """Read the exit codes of failures from the text at the end of ``--help``.

    Parameters
    ----------
    epilog : str
        Contains ``Exit codes: 0 success, 1 a participant failed, ...``.

    Returns
    -------
    list of dict
        ``code`` and ``description``.
    """
    text = epilog.partition("Exit codes: ")[2]
    return [
        {"code": int(code), "description": meaning.strip()}
        for code, meaning in re.findall(r"(\d+) ([^,.]+)", text)
        if code != "0"
    ]


def _app_specs() -> dict[str, OptionSpec]:
    """Return the options of both levels by name; of those that both have, the first, as the parser does."""
    specs: dict[str, OptionSpec] = {}
    for command in app.LEVELS.values():
        for spec in option_specs(command.settings):
            specs.setdefault(spec.name, spec)
    return specs


def _describe(specs: dict[str, OptionSpec]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Describe options, positional ones first, and the switches that exclude their negation."""
    inputs, groups = [], []
    for spec in sorted(specs.values(), key=lambda spec: not spec.option.positional):
        items = describe_option(spec)
        inputs += items
        if len(items) > 1:
            groups.append(
                {
                    "id": f"{spec.name}_or_not",
                    "name": spec.name.replace("_", " "),
                    "members": [item["id"] for item in items],
                    "mutually-exclusive": True,
                }
            )
    return inputs, groups


def _analysis_level() -> dict[str, Any]:
    """Describe the level, which excludes the options of the other level."""
    names = {
        level: {spec.name for spec in option_specs(command.settings)} for level, command in app.LEVELS.items()
    }
    excluded = {
        level: [
            item["id"]
            for name, spec in _app_specs().items()
            if name not in names[level]
            for item in describe_option(spec)
        ]
        for level in names
    }
    return {
        "id": "analysis_level",
        "name": "analysis level",
        "description": "compute the maps of each participant, or average them",
        "type": "String",
        "value-choices": list(names),
        "value-disables": excluded,
        "optional": False,
        "value-key": value_key("analysis_level"),
    }


def _config_file() -> dict[str, Any]:
    return {
        "id": "config_file",
        "name": "config file",
        "description": "TOML file of settings, as in the logs of each run; the command line takes precedence",
        "type": "File",
        "optional": True,
        "value-key": value_key("config_file"),
        "command-line-flag": "--config-file",
        "command-line-flag-separator": "=",
    }


def _no_ops() -> list[dict[str, Any]]:
    """Describe the options without effect, which scripts may pass."""
    names = {flag: flag.removeprefix("--").replace("-", "_") for flag in app.NO_OPS}
    return [
        {
            "id": names[flag],
            "name": names[flag].replace("_", " "),
            "description": f"no effect: {reason}",
            "type": "Flag",
            "optional": True,
            "value-key": value_key(names[flag]),
            "command-line-flag": flag,
        }
        for flag, reason in app.NO_OPS.items()
    ]


def _output_file(name: str, title: str, template: str) -> dict[str, Any]:
    return {"id": name, "name": title, "path-template": template, "optional": True}


def _descriptor(
    command: str, name: str, description: str, version: str, image: str, inputs: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "tool-version": version,
        "description": description,
        "author": AUTHOR,
        "schema-version": "0.5",
        "command-line": " ".join([command, *(item["value-key"] for item in inputs)]),
        "container-image": {"type": "docker", "image": image},
        # With the default, /bin/sh, Boutiques starts a login shell, which replaces the PATH of the image.
        "shell": "/bin/bash",
        "inputs": inputs,
    }
