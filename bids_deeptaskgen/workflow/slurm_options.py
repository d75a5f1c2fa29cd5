"""Options of sbatch: those of the user, and defaults for a node's memory, CPUs and GPU."""

import math
import re
import shlex
from collections.abc import Iterable, Sequence

# Share of the estimated memory that is requested: estimates are 20% too small for some inputs.
MEMORY_MARGIN = 1.25

_MEMORY = ("--mem", "--mem-per-cpu", "--mem-per-gpu")
_CPUS = ("--cpus-per-task", "-c", "--cpus-per-gpu")
_GPUS = ("--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--gres", "--tres-per-node", "--tres-per-task")


def read_options(sbatch_args: object, template: str) -> tuple[list[str], list[str]]:
    r"""Read the user's options of sbatch.

    Parameters
    ----------
    sbatch_args : str, list or None
        Value of ``sbatch_args``.
    template : str
        Start of job scripts, whose lines ``#SBATCH`` contain options.

    Returns
    -------
    words : list of str
        Words of `sbatch_args`.
    all_words : list of str
        These, and the words in the template.

    Raises
    ------
    ValueError
        If a quotation in `sbatch_args` has no end.

    Examples
    --------
    >>> read_options("-p long --mem 2G", "#!/bin/sh\n#SBATCH -c 4 # cores\n")
    (['-p', 'long', '--mem', '2G'], ['-p', 'long', '--mem', '2G', '-c', '4'])
    """
    if sbatch_args is None:
        words = []
    elif isinstance(sbatch_args, list | tuple):
        words = [str(word) for word in sbatch_args]
    else:
        words = shlex.split(str(sbatch_args))
    all_words = list(words)
    for line in re.findall(r"(?m)^#SBATCH\s+(.*)$", template):
        all_words += shlex.split(line, comments=True)
    return words, all_words


def is_set(words: Iterable[str], options: Sequence[str]) -> bool:
    """Return whether one of some options is among words.

    Parameters
    ----------
    words : iterable of str
    options : sequence of str
        Spellings, such as ``--cpus-per-task`` and ``-c``.

    Examples
    --------
    >>> [is_set([word], ["--mem"]) for word in ("--mem=2G", "--mem", "--mem-per-cpu=1G")]
    [True, True, False]
    >>> [is_set([word], ["-c"]) for word in ("-c4", "-c", "--chdir=x")]
    [True, True, False]
    """
    long = {option for option in options if option.startswith("--")}
    short = tuple(option for option in options if not option.startswith("--"))
    return any(word.partition("=")[0] in long or (short and word.startswith(short)) for word in words)


def default_options(words: Sequence[str], mem_gb: float, n_procs: int, *, use_gpu: bool = False) -> list[str]:
    """Return options for the memory, CPUs and GPU of a node that the user has not set.

    Parameters
    ----------
    words : sequence of str
        Options of the user, see `read_options`.
    mem_gb : float
        Estimated memory of the node in GiB.
    n_procs : int
        Number of threads of the node.
    use_gpu : bool
        The node needs a GPU.

    Examples
    --------
    >>> default_options(["-p", "long"], mem_gb=2.0, n_procs=4)
    ['--mem=2560M', '--cpus-per-task=4']
    >>> default_options(["--mem-per-cpu=4G", "-c1"], mem_gb=2.0, n_procs=4, use_gpu=True)
    ['--gres=gpu:1']
    """
    options = []
    if not is_set(words, _MEMORY):
        # Slurm's M are MiB.
        options.append(f"--mem={math.ceil(mem_gb * MEMORY_MARGIN * 1024)}M")
    if not is_set(words, _CPUS):
        options.append(f"--cpus-per-task={n_procs}")
    if use_gpu and not is_set(words, _GPUS):
        options.append("--gres=gpu:1")
    return options
