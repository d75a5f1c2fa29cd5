"""What the readers of all kinds of features have in common: participants first, values later."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bids_deeptaskgen.bids.participant_ids import match_labels
from bids_deeptaskgen.biomarkers.problem import Features
from bids_deeptaskgen.errors import InputError, UserError, abbreviate
from bids_deeptaskgen.settings.biomarkers import FeatureSource


@dataclass(frozen=True, kw_only=True)
class FeatureReader(ABC):
    """Participants with features of a source, and the reader of their values.

    Attributes
    ----------
    name : str
        Name of the features in all results.
    participants : tuple of str
        Sorted labels without ``sub-`` of the participants with features, as the source spells them.
    reasons : dict of str to str
        Why other participants of the source have no features.
    notes : tuple of str
        Columns that were dropped, sessions that were averaged.
    columns : tuple of str
        Names of the columns of a table; empty for maps.
    is_predicted : bool
        Whether the features are maps that were predicted from resting-state data, or values of such maps.
    """

    name: str
    participants: tuple[str, ...]
    reasons: Mapping[str, str]
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    is_predicted: bool = False

    @abstractmethod
    def read(self, labels: Sequence[str], *, is_published: bool = False) -> Features:
        """Read the features of participants.

        Parameters
        ----------
        labels : sequence of str
            Some of `participants`, in the order of the result.
        is_published : bool
            Whether the products of maps are needed without scales, too, for the published set-up.

        Returns
        -------
        TableFeatures or KernelFeatures
        """


class Selection(NamedTuple):
    """Participants and session to read.

    Attributes
    ----------
    participants : collection of str
        Labels with or without leading zeros; empty for all.
    exclude : collection of str
        Labels to leave out, also if `participants` has them.
    session : str or None
        Label without ``ses-``; None for the mean over sessions.
    """

    participants: Collection[str] = ()
    exclude: Collection[str] = ()
    session: str | None = None

    def select(self, labels: Collection[str], source: FeatureSource) -> tuple[str, ...]:
        """Select participants of a source.

        Parameters
        ----------
        labels : collection of str
            Labels of the source without ``sub-``.
        source : FeatureSource
            For messages.

        Returns
        -------
        tuple of str
            Sorted.

        Raises
        ------
        UserError
            If none remains.
        InputError
            If a label matches several participants of the source.
        """
        selection = set(labels)
        if self.participants:
            selection = set(match_labels(list(self.participants), labels, source.path).values())
        selection -= set(match_labels(list(self.exclude), labels, source.path).values())
        if not selection:
            message = (
                f"`features` {source.name}: {source.path} has {abbreviate(sorted(labels)) or 'no rows'}; "
                "`participant_label` and `exclude_participant_label` leave none of them."
            )
            raise UserError(message)
        return tuple(sorted(selection))


def require_participants(
    source: FeatureSource, participants: Collection[str], reasons: Mapping[str, str]
) -> None:
    """Refuse a source of which no participant has features.

    Parameters
    ----------
    source : FeatureSource
    participants : collection of str
        With features.
    reasons : dict of str to str
        Of the others.

    Raises
    ------
    InputError
    """
    if not participants:
        first = next((f"sub-{label}: {reason}" for label, reason in reasons.items()), "it is empty")
        message = (
            f"`features` {source.name}: no participant of {source.path} has features ({first}).\n"
            "Choose other parts or another session, or name another source."
        )
        raise InputError(message)
