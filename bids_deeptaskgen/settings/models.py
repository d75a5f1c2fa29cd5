"""Settings of ``deeptaskgen models``."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.network import NetworkSettings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import above, between, read_model, read_name

_NAME_WORDS = "a name of letters, digits, -, _ and ."


@dataclass(frozen=True)
class ModelsInfoSettings(Settings):
    """Say what a model is: its card, in words, after checking its files."""

    folder: str = option(
        positional=True,
        metavar="NAME_OR_FOLDER",
        read=read_model,
        words="the name of a model or its folder",
        help="model: a name, or the folder of a bundle",
    )


@dataclass(frozen=True)
class ModelsListSettings(Settings):
    """List the models that are here, and the published ones that can be fetched."""


@dataclass(frozen=True)
class ModelsFetchSettings(Settings):
    """Fetch a published model's files and make a model of them that can be named."""

    name: str = option(
        positional=True,
        read=read_name,
        words="the name of a published model",
        help="published model: hcp-ya, hcp-d or ukb",
    )
    from_folder: Path | None = option(
        None,
        flags=("--from",),
        metavar="FOLDER",
        unset="the internet",
        help="take the files from this folder, or folders in it, to which they were brought by hand",
    )
    overwrite: bool = option(default=False, help="replace a model of this name that is there")


@dataclass(frozen=True, kw_only=True)
class BundleSettings(Settings):
    """What ``models import`` and ``models new`` have in common: images and texts of a new bundle."""

    rois: Path = option(
        metavar="FILE", help="4-D image of the ROI maps, on the 91x109x91 or the cropped grid"
    )
    output_mask: Path | None = option(
        None, metavar="FILE", unset="grey matter", help="image of the voxels where maps are written"
    )
    input_mask: str = option(
        "brain",
        choices=("brain", "gm"),
        help="voxels of the connectome that the network is trained on: all, or those of the output mask",
    )
    window_minutes: float | None = option(
        None,
        unit="minutes",
        check=above(0),
        unset="not known",
        help="length of the windows that the network is trained on, which --n-windows auto aims at",
    )
    licence: str = option("not stated", metavar="TEXT", help="licence of the model")
    citation: str = option("", metavar="TEXT", unset="none", help="what to cite")
    description: str = option("", metavar="TEXT", unset="none", help="what the model is, in a sentence")


@dataclass(frozen=True)
class ModelsImportSettings(BundleSettings):
    """Make a bundle of a published Lightning checkpoint."""

    checkpoint: Path = option(positional=True, help="checkpoint to import")
    out: Path = option(positional=True, help="folder of the bundle that is made")
    name: str = option(read=read_name, words=_NAME_WORDS, help="name of the model")
    contrasts: str = option(
        "hcp-ya",
        metavar="SET",
        help="contrasts of the outputs in order: a set of the package, a JSON file like it, or numbered",
    )


@dataclass(frozen=True)
class ModelsNewSettings(BundleSettings, NetworkSettings):
    """Make an untrained model of your own ROI maps, to compute connectomes with and to train on them."""

    out: Path = option(positional=True, help="folder of the model that is made")
    name: str | None = option(
        None, read=read_name, words=_NAME_WORDS, unset="as OUT is called", help="name of the model"
    )
    contrasts: str = option(
        "hcp-ya",
        metavar="SET",
        help="contrasts of the outputs in order: a set of the package, or a JSON file like it",
    )
    seed: int = option(42, check=between(0, 2**32 - 1), help="of the random weights")
    overwrite: bool = option(default=False, help="replace the model that is in OUT")
