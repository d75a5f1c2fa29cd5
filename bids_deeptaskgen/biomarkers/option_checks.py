"""Options that do nothing in an analysis: refused if results would claim otherwise, and logged."""

import logging
from collections.abc import Sequence
from dataclasses import fields

from bids_deeptaskgen.biomarkers.features.reader import FeatureReader
from bids_deeptaskgen.biomarkers.problem import Problem
from bids_deeptaskgen.errors import UserError, quantity
from bids_deeptaskgen.settings.biomarkers import BiomarkersSettings

logger = logging.getLogger("bids_deeptaskgen")


def refuse_combat_of_maps(settings: BiomarkersSettings, readers: Sequence[FeatureReader]) -> None:
    """Refuse ComBat if all features are maps, which it does not harmonise.

    Parameters
    ----------
    settings : BiomarkersSettings
    readers : sequence of FeatureReader

    Raises
    ------
    UserError
    """
    if settings.combat and not any(reader.columns for reader in readers):
        names = ", ".join(reader.name for reader in readers)
        message = (
            f"`combat` {settings.combat}: all features are maps ({names}), and ComBat harmonises tables and "
            "connectomes only.\nRemove `combat`, and add the site to `confounds`; or add a table or the part "
            "connectome of a store to `features`."
        )
        raise UserError(message)


def warn_of_idle_options(
    settings: BiomarkersSettings, problems: Sequence[Problem], readers: Sequence[FeatureReader]
) -> None:
    """Warn of options that have no effect on this analysis, and of families that are not known.

    Parameters
    ----------
    settings : BiomarkersSettings
    problems : sequence of Problem
        One for each target.
    readers : sequence of FeatureReader
    """
    if not any(problem.family_column for problem in problems):
        logger.warning(
            "No table has a column %s (`family_column`): participants are treated as unrelated. If some of "
            "them are related, their predictions are too good and p is too small.",
            settings.family_column,
        )
    source = "splits" if settings.splits else "leave_one_site_out" if settings.leave_one_site_out else ""
    defaults = {item.name: item.default for item in fields(settings)}
    for name in ("n_folds", "n_repeats"):
        if source and getattr(settings, name) != defaults[name]:
            value = getattr(settings, name)
            logger.warning("`%s` %d has no effect: `%s` determines the folds.", name, value, source)
    if settings.classifier != defaults["classifier"] and not any(
        problem.target.levels for problem in problems
    ):
        logger.warning("`classifier` %s has no effect: no target has categories.", settings.classifier)
    if settings.n_components:
        _warn_of_components(settings.n_components, readers)


def _warn_of_components(n_components: int, readers: Sequence[FeatureReader]) -> None:
    tables = [reader for reader in readers if reader.columns]
    if not tables:
        logger.warning(
            "`n_components` %d has no effect: all features are maps, which are never reduced.", n_components
        )
    for reader in tables:
        if len(reader.columns) <= n_components:
            columns = quantity(len(reader.columns), "column")
            logger.warning(
                "`n_components` %d does not reduce %s, which has %s.", n_components, reader.name, columns
            )
