"""``deeptaskgen biomarkers``: predict traits from maps, connectomes and tables."""

from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings


def run(settings: BiomarkersSettings) -> int:
    """Predict traits with cross-validation, and write tables, figures and the report.

    Parameters
    ----------
    settings : BiomarkersSettings

    Returns
    -------
    int
        Exit code 0.
    """
    raise NotImplementedError(settings.out)
