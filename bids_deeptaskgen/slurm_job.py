"""CPUs, memory and GPUs of the Slurm job of this process, from the variables that Slurm sets.

Slurm sets these variables whether or not it confines the job by control groups. They count only inside a job,
that is with SLURM_JOB_ID, since a shell may export them for later calls of ``srun``.
"""

from collections.abc import Mapping

_GRANTED_GPU_VARIABLES = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
# The others are also read by OpenCL and CUDA, and a user may set them.
_GPU_VARIABLES = (*_GRANTED_GPU_VARIABLES, "GPU_DEVICE_ORDINAL", "CUDA_VISIBLE_DEVICES")
# Former versions of Slurm write the first into CUDA_VISIBLE_DEVICES of a job that has no GPU.
_NO_GPU = {"", "NoDevFiles", "-1"}
Limit = tuple[int, str]


def job_cpus(environment: Mapping[str, str]) -> Limit | None:
    """Parse the number of CPUs that each task of the Slurm job may use.

    Parameters
    ----------
    environment : mapping of str to str
        Variables of the process, e.g. ``os.environ``.

    Returns
    -------
    n_cpus : int
    source : str
        Name of the variable. A job that was submitted without ``--cpus-per-task`` has no
        SLURM_CPUS_PER_TASK; then its CPUs on this machine count.

        None outside a job, and if Slurm states no number.

    Examples
    --------
    >>> job_cpus({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "4"})
    (4, 'SLURM_CPUS_PER_TASK')
    """
    return _first_number(environment, "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")


def job_memory_mb(environment: Mapping[str, str]) -> Limit | None:
    """Parse the memory that each task of the Slurm job may use on this machine.

    Parameters
    ----------
    environment : mapping of str to str

    Returns
    -------
    memory_mb : int
        In MB as Slurm counts them, 1024 of which are 1 GiB.
    source : str
        Name of the variable; with SLURM_MEM_PER_CPU, `memory_mb` is its value times `job_cpus`.

        None outside a job, if Slurm states no limit, and for 0, which stands for all memory.

    Examples
    --------
    >>> job_memory_mb({"SLURM_JOB_ID": "7", "SLURM_MEM_PER_CPU": "2000", "SLURM_CPUS_PER_TASK": "4"})
    (8000, 'SLURM_MEM_PER_CPU')
    """
    if per_node := _first_number(environment, "SLURM_MEM_PER_NODE"):
        return per_node
    per_cpu, cpus = _first_number(environment, "SLURM_MEM_PER_CPU"), job_cpus(environment)
    return (per_cpu[0] * cpus[0], per_cpu[1]) if per_cpu and cpus else None


def may_use_gpu(environment: Mapping[str, str]) -> bool:
    """Return whether a GPU of this machine may be used: outside of Slurm always, in a job only its GPUs.

    Without control groups, a job sees the GPUs of all jobs on its machine.

    Parameters
    ----------
    environment : mapping of str to str

    Returns
    -------
    bool

    Examples
    --------
    >>> may_use_gpu({}), may_use_gpu({"SLURM_JOB_ID": "7"})
    (True, False)
    >>> may_use_gpu({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2"})
    True
    """
    values = (environment.get(name, "").strip() for name in _GPU_VARIABLES)
    return not environment.get("SLURM_JOB_ID") or any(value not in _NO_GPU for value in values)


def has_gpu(environment: Mapping[str, str]) -> bool:
    """Return whether Slurm granted a GPU to this job.

    Parameters
    ----------
    environment : mapping of str to str

    Returns
    -------
    bool

    Examples
    --------
    >>> has_gpu({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2"}), has_gpu({"SLURM_JOB_ID": "7"})
    (True, False)
    """
    is_job = bool(environment.get("SLURM_JOB_ID"))
    values = (environment.get(name, "").strip() for name in _GRANTED_GPU_VARIABLES)
    return is_job and any(value not in _NO_GPU for value in values)


def _first_number(environment: Mapping[str, str], *names: str) -> Limit | None:
    """Return the first of these variables that is a positive number, unless this is no Slurm job."""
    for name in names if environment.get("SLURM_JOB_ID") else ():
        text = environment.get(name, "").strip()
        # Python refuses to read numbers of thousands of digits.
        if text.isascii() and text.isdecimal() and len(text) < 16 and int(text) > 0:
            return int(text), name
    return None
