"""Checks of the arguments of batch plugins, in the file of ``--use-plugin``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_deeptaskgen.workflow.slurm_options import is_set, read_options

# With these options, one call of sbatch submits several jobs, or a job of which squeue here knows nothing.
_REFUSED_OPTIONS = (("--array", "-a"), ("--clusters", "--cluster", "-M"))


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Check the arguments of a batch plugin, which nipype reads when the first job is submitted, or never.

    Parameters
    ----------
    name : str
        Name of the plugin.
    arguments : mapping
        ``plugin_args``.

    Raises
    ------
    ValueError
        If an argument cannot be used; the message names it.
    """
    n_jobs = arguments.get("max_jobs", 1)
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int | float) or not n_jobs >= 1:
        message = f"max_jobs is {n_jobs!r}; it must be a number from 1 (without quotation marks)"
        raise ValueError(message)
    template = _read_template(arguments.get("template", ""), "#!" if name == "SLURM" else "#")
    if name == "SLURM":
        _check_job_id(arguments.get("jobid_re"))
        _check_options(arguments.get("sbatch_args"), template)


def _read_template(template: object, start: str) -> str:
    """Return the text of a template, which is a text or the name of a file with it."""
    if not isinstance(template, str):
        message = f"template is {template!r}; it must be the start of a job script, or a file with it"
        raise ValueError(message)
    try:
        text = Path(template).read_text("utf-8") if Path(template).is_file() else template
    except (OSError, ValueError) as error:
        # Such as a text that is too long for the name of a file.
        text = template
        if not text.startswith(start):
            message = f"template {template} cannot be read ({error})"
            raise ValueError(message) from error
    if text.strip() and not text.lstrip().startswith(start):
        message = (
            f"template {template!r} is neither a file nor the start of a job script, such as #!/bin/bash"
        )
        raise ValueError(message)
    return text


def _check_job_id(pattern: object) -> None:
    try:
        is_usable = pattern is None or re.compile(str(pattern)).groups > 0
    except re.error as error:
        message = f"jobid_re {pattern!r} is not a regular expression ({error})"
        raise ValueError(message) from error
    if not is_usable:
        message = f"jobid_re {pattern!r} has no group for the job id, such as (\\d+)"
        raise ValueError(message)


def _check_options(sbatch_args: object, template: str) -> None:
    """Check that sbatch_args and the template can be split into words, and have no option that is refused."""
    for part, values in (("sbatch_args", (sbatch_args, "")), ("template", (None, template))):
        try:
            _, words = read_options(*values)
        except ValueError as error:
            message = f"{part} cannot be read ({error})"
            raise ValueError(message) from error
        for options in _REFUSED_OPTIONS:
            if is_set(words, options):
                message = (
                    f"{part} contains the option {options[0]}, with which jobs cannot be watched; remove it"
                )
                raise ValueError(message)
