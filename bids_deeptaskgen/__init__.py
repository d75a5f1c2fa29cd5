"""Task-contrast maps from resting-state fMRI: a BIDS App around the DeepTaskGen method.

The names in ``__all__`` are the public interface. They are loaded when they are first used, so that importing
the package is fast. From a BOLD series to maps::

    import bids_deeptaskgen as dtg

    bundle = dtg.load_bundle("embedded")
    connectomes = dtg.voxel_to_roi("bold.nii.gz", bundle, confounds="confounds.tsv")
    maps = dtg.predict(dtg.load_network(bundle), connectomes)
    dtg.save_statmaps("maps.nii.gz", maps)
"""

from importlib import import_module

_MODULES = {
    "Cleaning": "connectome.cleaning",
    "DataRequirements": "connectome.cleaning",
    "InputError": "errors",
    "UserError": "errors",
    "framewise_displacement": "connectome.censoring",
    "load_bundle": "api",
    "open_store": "cohort_store.store.reader",
    "load_network": "nn.inference",
    "predict": "nn.predict",
    "residual_correlations": "stats.scores",
    "run_group": "api",
    "run_participant": "api",
    "save_statmaps": "api",
    "simulate_dataset": "simulation.dataset",
    "voxel_to_roi": "api",
}

__all__ = tuple(_MODULES)


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, for completion in notebooks."""
    return sorted([*globals(), *__all__])
