"""Settings of ``deeptaskgen store``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import label_option, option

PRECISIONS = ("float32", "float16")


def parse_task(value: object) -> str:
    """Parse the number of a task and the number of tasks.

    Parameters
    ----------
    value : object
        Text such as ``2/10``.

    Returns
    -------
    str
        The same text without leading zeros; see `task_numbers`.

    Raises
    ------
    ValueError
        If the text has another form, or the number is not from 1 to the number of tasks.

    Examples
    --------
    >>> parse_task("02/10")
    '2/10'
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", str(value))
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(value)
    return f"{int(match[1])}/{int(match[2])}"


def task_numbers(task: str | None) -> tuple[int, int]:
    """Return the number of a task and the number of tasks.

    Parameters
    ----------
    task : str or None
        From `parse_task`; None for the only task.

    Returns
    -------
    (int, int)

    Examples
    --------
    >>> task_numbers("2/10"), task_numbers(None)
    ((2, 10), (1, 1))
    """
    number, _, n_tasks = (task or "1/1").partition("/")
    return int(number), int(n_tasks)


def _task_option(help_text: str) -> Any:
    return option(
        None,
        parse=parse_task,
        metavar="I/N",
        expected="I/N with I from 1 to N, for example 2/10",
        default_meaning="all shards",
        help=help_text,
    )


@dataclass(frozen=True)
class StorePackSettings(Settings):
    """Write the maps of an output dataset to a cohort store: create it, extend it, or complete it."""

    output_dir: Path = option(positional=True, help="output dataset of the participant level")
    store: Path = option(positional=True, help="folder of the cohort store")
    participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        from_file=True,
        default_meaning="all participants",
        help="participants to pack, with or without sub-; @FILE reads one label per line from a file",
    )
    exclude_participant_label: tuple[str, ...] = label_option(
        (),
        "sub",
        from_file=True,
        default_meaning="none",
        help="participants to leave out, with or without sub-, also if --participant-label names them; @FILE "
        "reads one label per line from a file",
    )
    contrasts: tuple[str, ...] = option(
        (),
        default_meaning="all contrasts of the maps, or those of an existing store",
        help="contrasts by label, published name or task",
    )
    precision: str | None = option(
        None,
        choices=PRECISIONS,
        default_meaning="float32, or that of an existing store",
        help="type of the stored values; float16 takes half of the space and rounds each value by at most "
        "0.05 percent",
    )
    task: str | None = _task_option(
        "write the shards of task I of N tasks, which may run at the same time, for example of a Slurm array"
    )
    verify: bool = option(
        default=False,
        help="read the packed maps of these participants, too, and write those that are damaged again",
    )
    set_name: str | None = option(
        None,
        flags=("--set",),
        metavar="NAME",
        default_meaning="the only set",
        help="set of maps to pack if OUTPUT_DIR has several tasks, acquisitions, models or settings",
    )


@dataclass(frozen=True)
class StoreCheckSettings(Settings):
    """Check that a cohort store is complete and undamaged, and list each problem."""

    store: Path = option(positional=True, help="folder of the cohort store")
    quick: bool = option(
        default=False, help="check tables, records, and the sizes of files, but do not read the maps"
    )
    task: str | None = _task_option("check the shards of task I of N tasks")


@dataclass(frozen=True)
class StoreInfoSettings(Settings):
    """Describe a cohort store: model, settings, participants, contrasts, size, and missing maps."""

    store: Path = option(positional=True, help="folder of the cohort store")
