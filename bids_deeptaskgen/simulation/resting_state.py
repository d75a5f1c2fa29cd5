"""A simulated resting-state run: network signals, physiology, drift, motion and noise on a mean image."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen.connectome.censoring import framewise_displacement
from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.grid import Array
from bids_deeptaskgen.settings.fill import default_of
from bids_deeptaskgen.settings.simulation import SimulateSettings
from bids_deeptaskgen.simulation.anatomy import Anatomy, SmoothFields, one_thread

# SDs as fractions of the mean brightness, in a voxel of a single network or tissue.
NETWORK_SIZE = 0.012
GLOBAL_SIZE = 0.003
CSF_SIZE, CSF_LEAK = 0.008, 0.3
WHITE_SIZE, WHITE_LEAK = 0.006, 0.5
DRIFT_SIZE = 0.008
# Realignment leaves this part of the displacement, and movement changes the magnetisation.
MOTION_LEFT = 0.25
SPIN_HISTORY_PER_MM = 0.05
SATURATION, SATURATION_DECAY = 0.35, 0.3
# In units of brightness.
WHITE_NOISE, SMOOTH_NOISE = 90.0, 40.0
SMOOTH_NOISE_FWHM_MM = 8.0
ARTEFACT_FWHM_MM = 60.0
# The smoothed mask falls by 0.1 per mm at the border.
MASK_SPREAD, MASK_FWHM_MM = 0.1, 25.0
N_PHYSIOLOGICAL = 3
HEAD_RADIUS_MM = 50.0
MIN_VOLUMES = 10
_default = partial(default_of, SimulateSettings)


@dataclass(frozen=True)
class RestSettings:
    """Settings of a resting-state run; the defaults are those of the options with these names.

    Attributes
    ----------
    n_volumes : int
        Length of the run, dummies included.
    t_r : float
        Repetition time in s.
    n_dummies : int
        Number of dummy scans, which are brighter since the magnetisation is not yet in its steady state.
    motion, drift : float
        Scale of head movement and of slow drift; 0 for none, 1 for a typical run.

    Raises
    ------
    UserError
        If too few volumes remain after the dummy scans.
    """

    n_volumes: int = _default("n_volumes")
    t_r: float = _default("t_r")
    n_dummies: int = _default("n_dummies")
    motion: float = _default("motion")
    drift: float = _default("drift")

    def __post_init__(self) -> None:
        if self.n_volumes - self.n_dummies < MIN_VOLUMES:
            msg = (
                f"{self.n_volumes} volumes include {self.n_dummies} dummy scans, but at least {MIN_VOLUMES} "
                "further volumes are needed. Increase `n_volumes` or decrease `n_dummies`."
            )
            raise UserError(msg)


@dataclass(frozen=True, eq=False)
class RestRun:
    """A prepared resting-state run.

    Attributes
    ----------
    settings : RestSettings
    anatomy : Anatomy
    motion : array of shape (n_volumes, 6)
        Translations along x, y, z in mm, then rotations about x, y, z in radians.
    signals : array of shape (n_volumes, n_sources), float32
        Time courses of the networks and of all other sources common to several voxels.
    maps : array of shape (n_sources, n_voxels), float32
        Contribution of each source to each voxel, in units of brightness.
    mask : boolean array of shape (n_voxels,)
        Estimated brain mask, which differs slightly between participants.
    noise_seeds : tuple of int
        Seeds of white and of smooth noise.
    """

    settings: RestSettings
    anatomy: Anatomy
    motion: NDArray[np.float64]
    signals: Array
    maps: Array
    mask: NDArray[np.bool_]
    noise_seeds: tuple[int, int]

    def blocks(self, n_block: int = 16) -> Iterator[Array]:
        """Simulate the volumes; the size of the blocks only affects memory.

        Parameters
        ----------
        n_block : int
            Volumes per block.

        Yields
        ------
        array of shape (n_block or fewer, n_voxels), float32
            A buffer that the next block reuses.
        """
        white, smooth = (np.random.Generator(np.random.SFC64(seed)) for seed in self.noise_seeds)
        fields = SmoothFields(self.anatomy.grid, SMOOTH_NOISE_FWHM_MM)
        buffers = np.empty((2, n_block, self.anatomy.n_voxels), np.float32)
        for start in range(0, self.settings.n_volumes, n_block):
            signals = self.signals[start : start + n_block]
            block, noise = buffers[:, : len(signals)]
            self._fill(block, noise, signals, fields, (white, smooth))
            yield block

    @one_thread()
    def _fill(
        self,
        block: Array,
        noise: Array,
        signals: Array,
        fields: SmoothFields,
        rngs: tuple[np.random.Generator, np.random.Generator],
    ) -> None:
        """Write the volumes of ``signals`` into ``block``; ``noise`` is a work buffer."""
        white, smooth = rngs
        np.matmul(signals, self.maps, out=block)
        white.standard_normal(out=noise, dtype=np.float32)
        noise *= WHITE_NOISE
        for row in noise:
            row += SMOOTH_NOISE * fields.draw(smooth, 1)[0, self.anatomy.head]
        block += noise
        block += self.anatomy.mean


@one_thread()
def make_rest_run(
    anatomy: Anatomy, topography: Array, mixing: Array, settings: RestSettings, rng: np.random.Generator
) -> RestRun:
    """Draw the time courses and maps of all sources of a run.

    Parameters
    ----------
    anatomy : Anatomy
    topography : array of shape (n_networks, n_voxels)
    mixing : array of shape (n_networks, n_networks)
        Transforms independent signals into correlated signals.
    settings : RestSettings
    rng : Generator

    Returns
    -------
    RestRun
    """
    white_seed, smooth_seed = (int(seed) for seed in rng.integers(2**62, size=2))
    smooth_fields = SmoothFields(anatomy.grid, ARTEFACT_FWHM_MM)
    border = 0.5 + MASK_SPREAD * SmoothFields(anatomy.grid, MASK_FWHM_MM).draw(rng, 1)[0, anatomy.head]
    motion = head_motion(settings, rng)
    networks = resting_signals(len(mixing), settings, rng) @ mixing
    parts = [
        (networks, NETWORK_SIZE * anatomy.mean * topography),
        _physiology(anatomy, smooth_fields, settings, rng),
        _drift(anatomy, smooth_fields, settings, rng),
        _motion_artefact(anatomy, smooth_fields, motion, rng),
        _saturation(anatomy, settings),
    ]
    signals = np.concatenate([signal for signal, _ in parts], axis=1)
    maps = np.concatenate([part for _, part in parts])
    return RestRun(
        settings,
        anatomy,
        motion,
        signals.astype(np.float32),
        maps.astype(np.float32, copy=False),
        anatomy.closeness > border,
        (white_seed, smooth_seed),
    )


def resting_signals(n_signals: int, settings: RestSettings, rng: np.random.Generator) -> Array:
    """Draw independent signals with the spectrum of resting-state fMRI, mostly 0.01 to 0.1 Hz.

    Parameters
    ----------
    n_signals : int
    settings : RestSettings
    rng : Generator

    Returns
    -------
    array of shape (n_volumes, n_signals)
        Signals of expected variance 1.
    """
    # Longer than needed, since both ends of an inverse FFT resemble each other.
    n_long = settings.n_volumes + int(np.ceil(200 / settings.t_r))
    frequency = np.fft.rfftfreq(n_long, settings.t_r)[1:]
    amplitude = frequency**-0.5 / (1 + (frequency / 0.1) ** 6) / (1 + (0.01 / frequency) ** 4)
    spectrum = np.zeros((len(frequency) + 1, n_signals), complex)
    parts = rng.standard_normal((2, len(frequency), n_signals))
    spectrum[1:] = amplitude[:, None] * (parts[0] + 1j * parts[1])
    signals = np.fft.irfft(spectrum, n_long, axis=0)[: settings.n_volumes]
    return np.asarray(signals * n_long / (2 * np.sqrt((amplitude**2).sum())))


def head_motion(settings: RestSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw head movement: creeping, breathing, and a few jerks.

    Parameters
    ----------
    settings : RestSettings
    rng : Generator

    Returns
    -------
    array of shape (n_volumes, 6)
        Translations in mm and rotations in radians; the first volume is the reference.
    """
    n = settings.n_volumes
    motion_scale = settings.motion * rng.lognormal(0, 0.35)
    creep = np.cumsum(rng.normal(0, 0.016, (n, 6)), axis=0)
    jerks = (rng.random((n, 1)) < 0.02) * rng.normal(0, 0.2, (n, 6))
    # After two volumes most of a jerk is undone.
    undone = np.concatenate([np.zeros((2, 6)), jerks])[:n]
    jerk = np.cumsum(jerks - 0.8 * undone, axis=0)
    breathing = np.sin(2 * np.pi * 0.29 * settings.t_r * np.arange(n) + rng.uniform(0, 2 * np.pi))
    sizes_mm = np.array([0.005, 0.03, 0.04, 0.02, 0.005, 0.005])
    motion = motion_scale * (creep + jerk + breathing[:, None] * sizes_mm)
    motion[:, 3:] /= HEAD_RADIUS_MM
    return np.asarray(motion - motion[0], np.float64)


def _physiology(
    anatomy: Anatomy, smooth_fields: SmoothFields, settings: RestSettings, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Simulate pulsation in fluid and white matter, which leaks into other tissue, and a global signal."""
    n = N_PHYSIOLOGICAL
    fields = smooth_fields.draw(rng, 2 * n)[:, anatomy.head]
    everywhere = anatomy.in_brain * anatomy.mean
    csf = CSF_SIZE * (0.5 + fields[:n]) * (anatomy.csf + CSF_LEAK * (1 - anatomy.csf))
    white = WHITE_SIZE * (0.5 + fields[n:]) * (anatomy.white + WHITE_LEAK * (1 - anatomy.white))
    global_map = GLOBAL_SIZE * (0.5 + anatomy.grey)[None]
    signals = resting_signals(2 * n + 1, settings, rng)
    # Pulsation is aliased to all frequencies.
    signals[:, : 2 * n] += 0.5 * rng.standard_normal((settings.n_volumes, 2 * n))
    return signals, everywhere * np.concatenate([csf, white, global_map])


def _drift(
    anatomy: Anatomy, smooth_fields: SmoothFields, settings: RestSettings, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Simulate slow changes of brightness that vary over the head."""
    time = np.linspace(-1, 1, settings.n_volumes)
    signals = np.stack([time, time**2 - 1 / 3, np.sin(np.pi * time + rng.uniform(0, np.pi))], axis=1)
    fields = smooth_fields.draw(rng, 3)[:, anatomy.head]
    return signals, settings.drift * DRIFT_SIZE * anatomy.mean * (0.5 + fields)


def _motion_artefact(
    anatomy: Anatomy, smooth_fields: SmoothFields, motion: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Simulate residual motion at edges and the loss of brightness after a jerk."""
    shift = anatomy.slopes
    x, y, z = anatomy.coordinates_mm
    turn = np.stack([shift[2] * y - shift[1] * z, shift[0] * z - shift[2] * x, shift[1] * x - shift[0] * y])
    gains = np.exp(0.4 * smooth_fields.draw(rng, 1)[:, anatomy.head])
    displacement = framewise_displacement(motion)
    recent_motion = displacement + 0.5 * np.append(0, displacement[:-1])
    signals = np.concatenate([motion, recent_motion[:, None]], axis=1)
    history = -SPIN_HISTORY_PER_MM * anatomy.mean * gains
    return signals, np.concatenate([MOTION_LEFT * shift, MOTION_LEFT * turn, history])


def _saturation(anatomy: Anatomy, settings: RestSettings) -> tuple[Array, Array]:
    """Simulate brighter dummy scans, most in fluid, whose magnetisation recovers slowest."""
    volume = np.arange(settings.n_volumes)
    signal = np.where(volume < settings.n_dummies, SATURATION_DECAY**volume, 0.0)
    return signal[:, None], (SATURATION * anatomy.mean * (1 + anatomy.csf))[None]
