"""Measure the memory of each shape of input, and save the numbers."""

import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.memory.inputs import build_dataset
from benchmarks.memory.measurement import context_of, measure_nodes
from benchmarks.memory.models import build_model
from benchmarks.memory.shapes import SHAPES, Shape
from benchmarks.memory.transform import write_transform

logger = logging.getLogger(__name__)

N_THREADS = 2
# Ending of the file with the reason of a measurement that failed.
FAILED = ".failed"


def measure_shapes(work: Path, shapes: Sequence[Shape] = SHAPES) -> Path:
    """Measure shapes that have no numbers yet, one after the other.

    Parameters
    ----------
    work : Path
        Folder for models, datasets and numbers.
    shapes : sequence of Shape

    Returns
    -------
    Path
        Folder of the numbers: a JSON file for each shape, or a file with the reason why it failed.
    """
    numbers = work / "numbers"
    numbers.mkdir(parents=True, exist_ok=True)
    # The server that starts workers keeps the environment that it was started with.
    os.environ["TEMPLATEFLOW_HOME"] = str(write_transform(work / "templateflow"))
    for shape in shapes:
        path = numbers / f"{file_stem(shape)}.json"
        if not path.exists():
            failure = path.with_suffix(FAILED)
            try:
                path.write_text(json.dumps(_measure(work, shape)), "utf-8")
                failure.unlink(missing_ok=True)
            except RuntimeError as error:
                # The others are measured, and the page names this one.
                logger.error("%s: %s", shape.name, error)
                failure.write_text(" ".join(str(error).split()), "utf-8")
    return numbers


def file_stem(shape: Shape) -> str:
    """Return the name of the file of a shape, without extension."""
    return "".join(char if char.isalnum() else "-" for char in shape.name)


def _measure(work: Path, shape: Shape) -> dict[str, object]:
    model = build_model(work / "models", shape.model)
    dataset = build_dataset(work / "dataset", shape.series)
    try:
        context = context_of(dataset, work / "output", model=str(model), device="cpu", **shape.options)
        peaks = measure_nodes(context, work / "work", N_THREADS, shape.steps)
    finally:
        shutil.rmtree(dataset)
    return {"name": shape.name, "peaks": {step: asdict(peak) for step, peak in peaks.items()}}


if __name__ == "__main__":
    import sys

    selected = [
        shape for shape in SHAPES if not sys.argv[2:] or any(word in shape.name for word in sys.argv[2:])
    ]
    measure_shapes(Path(sys.argv[1]), selected)
