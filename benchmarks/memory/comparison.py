"""Declared beside measured memory of each shape."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.memory.inputs import build_dataset
from benchmarks.memory.measurement import context_of
from benchmarks.memory.models import build_model
from benchmarks.memory.run import FAILED, file_stem
from benchmarks.memory.shapes import SHAPES, Shape
from benchmarks.memory.transform import write_transform
from bids_deeptaskgen.pipeline.memory_needs import read_needs
from bids_deeptaskgen.pipeline.memory_plan import GIB, MemoryPlan


@dataclass(frozen=True)
class Comparison:
    """Memory of a node in GiB, as the run declares it and as it was measured."""

    shape: str
    step: str
    declared_gb: float
    measured_gb: float

    @property
    def ratio(self) -> float:
        """Return declared / measured."""
        return self.declared_gb / self.measured_gb


def compare(work: Path, shapes: Sequence[Shape] = SHAPES) -> Iterator[Comparison]:
    """Compare each node that was measured.

    Parameters
    ----------
    work : Path
        Folder of the measurements.
    shapes : sequence of Shape

    Yields
    ------
    Comparison
    """
    for shape in shapes:
        path = work / "numbers" / f"{file_stem(shape)}.json"
        if path.exists():
            peaks = json.loads(path.read_text("utf-8"))["peaks"]
            declared = _declare(work, shape)
            for step, peak in peaks.items():
                yield Comparison(shape.name, step, declared[step], peak["gb"] * 1e9 / GIB)


def find_absent(work: Path, shapes: Sequence[Shape] = SHAPES) -> dict[str, str]:
    """Find the shapes of which nodes were not measured.

    Parameters
    ----------
    work : Path
        Folder of the measurements.
    shapes : sequence of Shape

    Returns
    -------
    dict of str to str
        Reason by name of the shape.
    """
    reasons = {}
    for shape in shapes:
        path = work / "numbers" / f"{file_stem(shape)}.json"
        failure = path.with_suffix(FAILED)
        if path.exists():
            peaks = json.loads(path.read_text("utf-8"))["peaks"]
            if absent_steps := [step for step in shape.steps if step not in peaks]:
                reasons[shape.name] = f"no number for {', '.join(absent_steps)}"
        elif failure.exists():
            reasons[shape.name] = f"failed: {failure.read_text('utf-8')}"
        else:
            reasons[shape.name] = "not measured"
    return reasons


def _declare(work: Path, shape: Shape) -> dict[str, float]:
    """Return the memory that the nodes of the first chunk declare, from headers alone."""
    model = build_model(work / "models", shape.model)
    if shape.series.is_warped:
        os.environ["TEMPLATEFLOW_HOME"] = str(write_transform(work / "templateflow"))
    dataset = build_dataset(work / "headers", shape.series, has_values=False)
    try:
        context = context_of(
            dataset, work / "headers-output", model=str(model), device="cpu", **shape.options
        )
        plan = MemoryPlan(context.bundle, read_needs(context, ["01"]), reports=context.settings.reports)
        return asdict(plan.nodes(["01"], is_first=True))
    finally:
        shutil.rmtree(dataset)


if __name__ == "__main__":
    import sys

    for row in compare(Path(sys.argv[1])):
        print(
            f"{row.shape:62s} {row.step:12s} {row.declared_gb:6.3f} {row.measured_gb:6.3f} {row.ratio:5.2f}"
        )
