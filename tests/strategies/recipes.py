"""Altered datasets: up to three alterations of a simulated participant."""

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from tests.strategies import (
    altered_files,
    altered_headers,
    altered_images,
    altered_json,
    altered_names,
    altered_outputs,
    altered_tables,
)
from tests.strategies.alteration import KINDS, VOCABULARY, Dataset, NotApplicableError, copy_base

__all__ = ["MODULES", "Recipe", "alter", "names_of", "recipes"]

# Each registers its alterations when it is imported.
MODULES = (
    altered_files,
    altered_headers,
    altered_images,
    altered_json,
    altered_names,
    altered_outputs,
    altered_tables,
)
N_COMBINED = 3
# Errors of nibabel at a damaged image.
UNREADABLE = (HeaderDataError, ImageFileError, WrapStructError)


@dataclass(frozen=True)
class Recipe:
    """Alterations of a dataset, in the order in which they are applied.

    Attributes
    ----------
    names : tuple of str
        Keys of ``VOCABULARY``.
    seed : int
        Seed of the random choices of each alteration.
    has_custom : bool
        Whether the run has custom regressors, too.
    """

    names: tuple[str, ...]
    seed: int = 0
    has_custom: bool = False

    @property
    def alterations(self):
        """Return the alterations."""
        return tuple(VOCABULARY[name] for name in self.names)

    def __str__(self):
        custom = ", custom" if self.has_custom else ""
        return f"{' + '.join(self.names) or 'unaltered'} (seed {self.seed}{custom})"


def names_of(kinds):
    """List the alterations of some kinds, in the order in which they are applied."""
    names = [name for name, alteration in VOCABULARY.items() if alteration.kind in kinds]
    return sorted(names, key=lambda name: (kinds.index(VOCABULARY[name].kind), name))


def recipes(kinds=KINDS):
    """Generate recipes of one to three alterations."""
    names = names_of(kinds)
    chosen = st.lists(st.sampled_from(range(len(names))), min_size=1, max_size=N_COMBINED, unique=True)
    return st.builds(
        lambda indices, seed, has_custom: Recipe(tuple(names[i] for i in sorted(indices)), seed, has_custom),
        chosen,
        st.integers(0, 999),
        st.booleans() if kinds is KINDS else st.just(False),  # noqa: FBT003
    )


def alter(recipe, pristine, folder, labels=()):
    """Copy some participants of a dataset to a folder, and alter the first one.

    Returns
    -------
    Dataset

    Raises
    ------
    NotApplicableError
        If an alteration has removed or replaced the file that another one changes.
    """
    data = Dataset(copy_base(pristine, folder / "fmriprep", labels), pristine, Random(recipe.seed))
    if recipe.has_custom:
        write_custom(data, folder / "custom")
    for name in recipe.names:
        # The same choices if other alterations are left out.
        data.random = Random(f"{recipe.seed} {name}")
        try:
            VOCABULARY[name].apply(data)
        except UNREADABLE as error:
            # Another alteration has damaged the file.
            raise NotApplicableError(name) from error
    return data


def write_custom(data, folder):
    """Write a table of custom regressors for every participant."""
    for table in sorted(data.root.glob("sub-*/func/*_timeseries.tsv")):
        n_rows = len(table.read_text("utf-8").splitlines()) - 1
        random = Random(table.name)
        rows = ["pulse\tbreath", *(f"{random.gauss(0, 1):.6f}\t{random.random():.6f}" for _ in range(n_rows))]
        folder.mkdir(exist_ok=True)
        (folder / table.name).write_text("\n".join(rows) + "\n", "utf-8")
