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
        Folder of the numbers: a JSON file for each shape.
    """
    numbers = work / "numbers"
    numbers.mkdir(parents=True, exist_ok=True)
    for shape in shapes:
        path = numbers / f"{file_stem(shape)}.json"
        if not path.exists():
            try:
                path.write_text(json.dumps(_measure(work, shape)), "utf-8")
            except RuntimeError as error:
                # The others are measured, and the page lacks this shape.
                logger.error("%s: %s", shape.name, error)
    return numbers


def file_stem(shape: Shape) -> str:
    """Return the name of the file of a shape, without extension."""
    return "".join(char if char.isalnum() else "-" for char in shape.name)


def _measure(work: Path, shape: Shape) -> dict[str, object]:
    model = build_model(work / "models", shape.model)
    if shape.series.is_warped:
        os.environ["TEMPLATEFLOW_HOME"] = str(write_transform(work / "templateflow"))
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
