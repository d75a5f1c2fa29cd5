"""Effect of the cleaning on minutes, degrees of freedom, connectomes and maps.

    python -m benchmarks.cleaning DATASET [--model MODEL]
    python -m benchmarks.cleaning TABLE.tsv ... --t-r S

With a dataset of fMRIPrep, the maps of each choice are compared with those of the first choice that all
participants have. With tables of confounds, only minutes and degrees of freedom are computed. Both print a
table in Markdown, as in docs/how-to/cleaning.md.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_deeptaskgen import Cleaning, DataRequirements, InputError, load_bundle, load_network, predict
from bids_deeptaskgen.bids.input.sidecars import read_repetition_time
from bids_deeptaskgen.connectome.censoring import sample_mask
from bids_deeptaskgen.connectome.confounds import read_confounds
from bids_deeptaskgen.connectome.inputs import RunInputs, SessionInputs
from bids_deeptaskgen.connectome.regressors import choose_regressors, make_basis
from bids_deeptaskgen.connectome.session import compute_session_connectomes
from bids_deeptaskgen.models.bundle import Bundle
from bids_deeptaskgen.nn.ready_model import ReadyModel

Floats = NDArray[np.float32]

CHOICES = {
    "`acompcor` (default)": Cleaning(),
    "`none`": Cleaning("none"),
    "`36P`": Cleaning("36P"),
    "`24P`": Cleaning("24P"),
    "`acompcor_gsr`": Cleaning("acompcor_gsr"),
    "`--fd-threshold 0.5`": Cleaning(fd_threshold=0.5),
    "`--fd-threshold 0.3`": Cleaning(fd_threshold=0.3),
    "`--smoothing 6`": Cleaning(smoothing=6.0),
    "`--high-pass 0`": Cleaning(high_pass=0.0),
    "`--dummy-scans 0`": Cleaning(dummy_scans=0),
    "`gsr_only`": Cleaning("gsr_only"),
    "`none`, `--high-pass 0.0078`": Cleaning("none", high_pass=0.0078),
    "`none`, `--smoothing 6`": Cleaning("none", smoothing=6.0),
    "`27P`": Cleaning("27P"),
    "`--high-pass 0.01`": Cleaning(high_pass=0.01),
    "`--fd-threshold 0.2`": Cleaning(fd_threshold=0.2),
    "`24P`, `--fd-threshold 0.3`": Cleaning("24P", fd_threshold=0.3),
}
# All that a choice leaves is compared, except where the program could not compute it.
ANY_LENGTH = DataRequirements(min_minutes=0, min_dof=2, n_windows=1)
COLUMNS = ("cleaning", "minutes", "df", "refused", "r of connectomes", "r of maps", "r of deviations")


@dataclass
class Outcome:
    """Connectomes and maps of all participants after one choice of cleaning.

    Attributes
    ----------
    rows : list of int
        Participants with maps.
    minutes, dof : list of float
        Of these participants.
    connectomes : list of array of shape (n_rois, n_brain_voxels)
    maps : list of array of shape (n_contrasts, n_output_voxels)
    reason : str
        Why a participant has no maps; empty if all have.
    """

    rows: list[int] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    dof: list[int] = field(default_factory=list)
    connectomes: list[Floats] = field(default_factory=list)
    maps: list[Floats] = field(default_factory=list)
    reason: str = ""

    def count_refused(self, n_participants: int) -> int:
        """Return the number of participants that the program refuses by its defaults.

        Parameters
        ----------
        n_participants : int
            Number of all participants.
        """
        limits = DataRequirements()
        pairs = zip(self.minutes, self.dof, strict=True)
        n_usable = sum(minutes >= limits.min_minutes and dof >= limits.min_dof for minutes, dof in pairs)
        return n_participants - n_usable


def find_runs(dataset: Path) -> list[RunInputs]:
    """List the first run of each participant with its mask and confounds.

    Parameters
    ----------
    dataset : Path
        Output of fMRIPrep.

    Returns
    -------
    list of RunInputs
    """
    runs = []
    for folder in sorted(path for path in dataset.glob("sub-*") if path.is_dir()):
        bold = min(folder.rglob("*_space-MNI152NLin6Asym*_desc-preproc_bold.nii.gz"))
        table = bold.with_name(bold.name.partition("_space-")[0] + "_desc-confounds_timeseries.tsv")
        mask = bold.with_name(bold.name.replace("_desc-preproc_bold", "_desc-brain_mask"))
        runs.append(RunInputs(bold, mask, table, read_repetition_time(bold)))
    return runs


def clean_all(runs: Sequence[RunInputs], cleaning: Cleaning, bundle: Bundle, network: ReadyModel) -> Outcome:
    """Compute connectomes and maps of all participants after one choice of cleaning.

    Parameters
    ----------
    runs : sequence of RunInputs
        One for each participant.
    cleaning : Cleaning
    bundle : Bundle
    network : ReadyModel
        Of `bundle`.

    Returns
    -------
    Outcome
    """
    outcome = Outcome()
    for row, run in enumerate(runs):
        session = SessionInputs(run.bold.name.partition("_")[0], None, (run,), ())
        try:
            result = compute_session_connectomes(session, bundle.roi_space, cleaning, ANY_LENGTH)
        except InputError as error:
            outcome.reason = str(error).splitlines()[0].replace(f"{run.confounds}: ", "")
            continue
        outcome.rows.append(row)
        outcome.minutes.append(result.runs[0].minutes)
        outcome.dof.append(result.runs[0].n_residual_dof)
        outcome.connectomes.append(result.connectomes[0])
        outcome.maps.append(predict(network, result.connectomes)[:, bundle.output_mask])
    return outcome


def mean_correlation(one: Sequence[Floats], two: Sequence[Floats]) -> tuple[float, float]:
    """Correlate rows of arrays, and average over rows; then over participants.

    Parameters
    ----------
    one, two : sequence of array of shape (n_rows, n_voxels)
        One for each participant.

    Returns
    -------
    mean, lowest : float
        Over participants.
    """
    values = []
    for first, second in zip(one, two, strict=True):
        rows = zip(first, second, strict=True)
        values.append(np.mean([np.corrcoef(a, b)[0, 1] for a, b in rows if a.std() and b.std()]))
    return float(np.mean(values)), float(np.min(values))


def subtract_mean(maps: Sequence[Floats]) -> list[Floats]:
    """Return the deviations of the participants from their mean map."""
    mean = np.mean(maps, axis=0)
    return [participant - mean for participant in maps]


def compare(dataset: Path, model: str) -> Iterator[tuple[str, ...]]:
    """Compare the choices of cleaning on a dataset.

    Parameters
    ----------
    dataset : Path
    model : str

    Yields
    ------
    tuple of str
        Cells of a row of `COLUMNS`.
    """
    bundle = load_bundle(model)
    network = load_network(bundle, "cpu")
    runs = find_runs(dataset)
    reference = None
    for label, cleaning in CHOICES.items():
        outcome = clean_all(runs, cleaning, bundle, network)
        if not outcome.rows:
            yield label, outcome.reason, *[""] * (len(COLUMNS) - 2)
            continue
        reference = reference or outcome
        connectomes = [reference.connectomes[row] for row in outcome.rows]
        maps = [reference.maps[row] for row in outcome.rows]
        pairs = [
            mean_correlation(connectomes, outcome.connectomes),
            mean_correlation(maps, outcome.maps),
            mean_correlation(subtract_mean(maps), subtract_mean(outcome.maps)),
        ]
        cells = [f"{mean:.3f} ({lowest:.3f})" for mean, lowest in pairs]
        n_refused = str(outcome.count_refused(len(runs)))
        yield label, spread(outcome.minutes, ".1f"), spread(outcome.dof, ".0f"), n_refused, *cells


def spread(values: Sequence[float], form: str) -> str:
    """Format mean, smallest and largest value.

    Parameters
    ----------
    values : sequence of float
    form : str
        Format of a number.

    Returns
    -------
    str
    """
    return f"{np.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def count(table: Path, t_r: float) -> Iterator[tuple[str, ...]]:
    """Count kept volumes and degrees of freedom of a table of confounds.

    Parameters
    ----------
    table : Path
    t_r : float
        Repetition time in s.

    Yields
    ------
    tuple of str
        Choice, minutes, volumes, residual degrees of freedom.
    """
    n_volumes = len(table.read_text("utf-8").splitlines()) - 1
    confounds = read_confounds(RunInputs(table, None, table, t_r), n_volumes)
    for label, cleaning in CHOICES.items():
        if cleaning.smoothing:
            continue
        try:
            kept = sample_mask(n_volumes, confounds, cleaning)
            basis = make_basis(choose_regressors(confounds, n_volumes, t_r, cleaning).values, kept)
        except InputError as error:
            yield label, str(error).splitlines()[0], "", ""
            continue
        yield label, f"{len(kept) * t_r / 60:.1f}", str(len(kept)), str(len(kept) - basis.shape[1])


def print_row(cells: Sequence[str]) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--t-r", type=float, default=2.0)
    options = parser.parse_args()
    for path in options.data:
        columns = COLUMNS if path.is_dir() else ("cleaning", "minutes", "volumes", "df")
        print(f"\n{path.name}\n")
        print_row(columns)
        print_row(["---"] * len(columns))
        for cells in compare(path, options.model) if path.is_dir() else count(path, options.t_r):
            print_row(cells)


if __name__ == "__main__":
    main()
