"""Settings of ``deeptaskgen simulate`` and ``deeptaskgen demo``."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import (
    Check,
    at_least,
    greater_than,
    in_range,
)


@dataclass(frozen=True)
class SimulateSettings(Settings):
    """Simulate an fMRIPrep dataset whose task maps depend on the resting-state connectivity."""

    out: Path = option(positional=True, help="folder of the simulated dataset")
    n_participants: int = option(4, check=at_least(1), help="number of participants")
    n_volumes: int = option(240, check=at_least(10), help="volumes per run, dummy scans included")
    t_r: float = option(2.0, unit="s", check=greater_than(0), help="repetition time")
    voxel_size: int = option(
        2,
        unit="mm",
        check=Check("2, 4, 6 or 8", lambda size: size in (2, 4, 6, 8)),
        help="edge length of the voxels of all images; larger voxels take less time",
    )
    n_runs: int = option(1, check=at_least(1), help="runs per session")
    n_sessions: int = option(1, check=at_least(1), help="sessions per participant")
    n_dummies: int = option(0, check=at_least(0), help="dummy scans at the start of each run")
    motion: float = option(1.0, check=at_least(0), help="strength of head motion, 0 = none")
    drift: float = option(1.0, check=at_least(0), help="strength of slow drifts, 0 = none")
    statmaps: bool = option(default=True, help="also write measured task maps of each participant")
    dtype: str = option("float32", choices=("float32", "int16"), help="data type of the BOLD values")
    seed: int = option(0, check=in_range(0, 2**32 - 1), help="random seed; equal seeds give equal files")

    def _check_together(self) -> None:
        if self.n_dummies >= self.n_volumes:
            message = (
                f"--n-dummies {self.n_dummies} was given with --n-volumes {self.n_volumes}; "
                "a run must have volumes that are not dummy scans."
            )
            raise UserError(message)


@dataclass(frozen=True)
class DemoSettings(Settings):
    """Simulate a few participants, predict their maps with the embedded model, and draw one contrast."""

    out: Path = option(positional=True, help="folder for the data, the maps and the figure")
    n_participants: int = option(3, check=at_least(1), help="number of participants")
    n_volumes: int = option(150, check=at_least(2), help="volumes per run")
    nprocs: int | None = option(
        None,
        check=at_least(1),
        default_meaning="all available to this process or to its Slurm job",
        help="CPU cores to use",
    )
    seed: int = option(0, check=in_range(0, 2**32 - 1), help="random seed of the simulation")
