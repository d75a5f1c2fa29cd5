"""Read the elements, images and stored values of a pipeline: runs where junifer is installed.

Usage: ``python read_junifer.py PIPELINE.yaml RESULT.json``
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from junifer.api import parse_yaml
from junifer.datagrabber import PatternDataGrabber
from junifer.datareader import DefaultDataReader
from junifer.storage import HDF5FeatureStorage


def main(path):
    """Return what junifer grabs, reads and has stored."""
    content = parse_yaml(path)
    options = {key: value for key, value in content["datagrabber"].items() if key != "kind"}
    with PatternDataGrabber(**options) as grabber:
        elements = [list(element) for element in grabber.get_elements()]
        keys = grabber.get_element_keys()
        data = DefaultDataReader().fit_transform(grabber[tuple(elements[0])])
    (name,) = data
    image = data[name]["data"]
    storage = HDF5FeatureStorage(uri=Path(content["storage"]["uri"]))
    (feature,) = storage.list_features().values()
    table = storage.read_df(feature_name=feature["name"]).reset_index()
    return {
        "version": version("junifer"),
        "keys": keys,
        "elements": elements,
        "type": getattr(name, "value", name),
        "path": str(data[name]["path"]),
        "space": data[name]["space"],
        "shape": list(image.shape),
        "has_mask": "mask" in data[name],
        "table": json.loads(table.to_json(orient="records", double_precision=15)),
    }


if __name__ == "__main__":
    result = main(sys.argv[1])
    with open(sys.argv[2], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(result, file)
