"""Option of atlases, which several commands have."""

from typing import Any

from bids_deeptaskgen.settings.option import option


# Any, because the result is assigned to a field of another type.
def atlas_option(purpose: str, **attributes: Any) -> Any:  # noqa: ANN401
    """Create the settings field of atlases.

    Parameters
    ----------
    purpose : str
        What is computed in the regions, for ``--help``.
    attributes : object
        Attributes of `Option`.

    Returns
    -------
    dataclasses.Field
    """
    return option(
        (),
        metavar="NAME_OR_FILE",
        help=f"{purpose} in the regions of atlases: a file of labels or probabilities in MNI152NLin6Asym, or "
        "a name of TemplateFlow such as Schaefer2018_desc-100Parcels7Networks",
        **attributes,
    )
