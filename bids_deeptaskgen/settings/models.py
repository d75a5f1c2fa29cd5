"""Settings of ``deeptaskgen models``."""

from dataclasses import dataclass
from pathlib import Path

from bids_deeptaskgen.errors import UserError
from bids_deeptaskgen.settings.base import Settings
from bids_deeptaskgen.settings.network import RIDGE, NetworkSettings
from bids_deeptaskgen.settings.option import option
from bids_deeptaskgen.settings.value_types import greater_than, in_range, parse_model, parse_name

_EXPECTED_NAME = "a name of letters, digits, -, _ and ."


@dataclass(frozen=True)
class ModelsInfoSettings(Settings):
    """Check the files of a model and describe its model card."""

    folder: str = option(
        positional=True,
        metavar="NAME_OR_FOLDER",
        parse=parse_model,
        expected="the name of a model or its folder",
        help="name of a model, or the folder of a model bundle",
    )


@dataclass(frozen=True)
class ModelsListSettings(Settings):
    """List the installed models and the published models."""


@dataclass(frozen=True)
class ModelsFetchSettings(Settings):
    """Download a published model and install it under its name."""

    name: str = option(
        positional=True,
        parse=parse_name,
        expected="the name of a published model",
        help="name of a published model: hcp-ya, hcp-d or ukb",
    )
    from_folder: Path | None = option(
        None,
        flags=("--from",),
        metavar="FOLDER",
        default_meaning="the internet",
        help="copy the files from this folder or its subfolders instead of downloading them",
    )
    overwrite: bool = option(default=False, help="replace an installed model of this name")


@dataclass(frozen=True, kw_only=True)
class BundleSettings(Settings):
    """Settings of a new model bundle, shared by ``models import`` and ``models new``."""

    rois: Path = option(
        metavar="FILE", help="4-D image of the ROI maps, on the 91x109x91 or the cropped grid"
    )
    output_mask: Path | None = option(
        None, metavar="FILE", default_meaning="grey matter", help="image of the voxels where maps are written"
    )
    input_mask: str = option(
        "brain",
        choices=("brain", "gm"),
        help="voxels of the connectome in the network's training: the whole brain, or the output mask",
    )
    window_minutes: float | None = option(
        None,
        unit="minutes",
        check=greater_than(0),
        default_meaning="unknown",
        help="length of the windows in the network's training, which --n-windows auto approximates",
    )
    licence: str = option("not stated", metavar="TEXT", help="licence of the model")
    citation: str = option(
        "", may_be_empty=True, metavar="TEXT", default_meaning="none", help="publication to cite"
    )
    description: str = option(
        "",
        may_be_empty=True,
        metavar="TEXT",
        default_meaning="none",
        help="description of the model in one sentence",
    )


@dataclass(frozen=True)
class ModelsImportSettings(BundleSettings):
    """Convert a published Lightning checkpoint to a model bundle."""

    checkpoint: Path = option(positional=True, help="checkpoint to import")
    out: Path = option(positional=True, help="folder of the new model bundle")
    name: str = option(parse=parse_name, expected=_EXPECTED_NAME, help="name of the model")
    contrasts: str = option(
        "hcp-ya",
        metavar="SET",
        help="contrasts of the output channels in order: a set of the package, a JSON file of the same "
        "format, or numbered",
    )


@dataclass(frozen=True)
class ModelsNewSettings(BundleSettings, NetworkSettings):
    """Create an untrained model with custom ROI maps, to compute connectomes for training."""

    out: Path = option(positional=True, help="folder of the new model bundle")
    name: str | None = option(
        None,
        parse=parse_name,
        expected=_EXPECTED_NAME,
        default_meaning="the name of OUT",
        help="name of the model",
    )
    contrasts: str = option(
        "hcp-ya",
        metavar="SET",
        help="contrasts of the output channels in order: a set of the package, or a JSON file of the same "
        "format",
    )
    seed: int = option(42, check=in_range(0, 2**32 - 1), help="random seed of the weights")
    overwrite: bool = option(default=False, help="replace the model in OUT")

    def _check_together(self) -> None:
        if self.architecture == RIDGE:
            message = (
                f"--architecture {RIDGE}: a ridge model is fitted to participants, so it cannot be new.\n"
                "Create the model with a network (only its ROI maps and masks will be used), compute "
                f"connectomes with it, and fit the ridge model: deeptaskgen train --architecture {RIDGE}."
            )
            raise UserError(message)
