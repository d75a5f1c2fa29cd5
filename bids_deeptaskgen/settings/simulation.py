"""Settings of ``deeptaskgen simulate`` and ``deeptaskgen demo``."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import (
    above,
    at_least,
    between,
)


@dataclass(frozen=True)
class SimulateSettings(Settings):
    """Write a simulated fMRIPrep dataset of people whose task maps follow from their resting state."""

    out: Path = option(positional=True, help="where the dataset is written")
    n_participants: int = option(4, check=at_least(1), help="people")
    n_volumes: int = option(240, check=at_least(10), help="volumes of a run, dummies included")
    t_r: float = option(2.0, unit="s", check=above(0), help="repetition time")
    n_runs: int = option(1, check=at_least(1), help="runs of a session")
    n_sessions: int = option(1, check=at_least(1), help="sessions of a person")
    n_dummies: int = option(0, check=at_least(0), help="volumes at the start that are not in steady state")
    motion: float = option(1.0, check=at_least(0), help="strength of head movement, 0 = none")
    drift: float = option(1.0, check=at_least(0), help="strength of slow drifts, 0 = none")
    statmaps: bool = option(default=True, help="write the measured task maps of each person too")
    dtype: str = option("float32", choices=("float32", "int16"), help="how the BOLD values are stored")
    seed: int = option(0, check=between(0, 2**32 - 1), help="the same seed gives the same bytes")

    def _check_together(self) -> None:
        if self.n_dummies >= self.n_volumes:
            message = (
                f"--n-dummies {self.n_dummies} was given with --n-volumes {self.n_volumes}; "
                "a run must have volumes that are no dummies."
            )
            raise UserError(message)


@dataclass(frozen=True)
class DemoSettings(Settings):
    """Simulate a few people, predict their maps with the embedded model, and draw one of them."""

    out: Path = option(positional=True, help="where the data, the maps and the picture are written")
    n_participants: int = option(3, check=at_least(1), help="people to simulate")
    n_volumes: int = option(150, check=at_least(2), help="volumes of each person's run")
    nprocs: int | None = option(
        None, check=at_least(1), unset="all that this process may use", help="CPU cores to use"
    )
    seed: int = option(0, check=between(0, 2**32 - 1), help="seed of the simulation")
