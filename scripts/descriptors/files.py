"""All files of the folder ``descriptors``."""

import json
import tomllib
from pathlib import Path
from typing import Any

from scripts.descriptors.boutiques import app_descriptor, app_invocation
from scripts.descriptors.nipoppy import EXTRACTION, PROCESSING, extraction_files, processing_files

ROOT = Path(__file__).parents[2]
# Name that `make image` gives to the image.
IMAGE = "bids_deeptaskgen:latest"


def project_version() -> str:
    """Return the version of the last release: descriptors of each commit would never equal the files."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return str(content["tool"]["setuptools_scm"]["fallback_version"])


def descriptor_files(image: str = IMAGE) -> dict[str, Any]:
    """Return the content of each file.

    Parameters
    ----------
    image : str
        Name of the container image.

    Returns
    -------
    dict of str to object
        Content by path in the folder.
    """
    version = project_version()
    files = {
        "boutiques.json": app_descriptor(version, image),
        "boutiques_invocation.json": app_invocation(),
    }
    for name, contents in (
        (PROCESSING, processing_files(version, image)),
        (EXTRACTION, extraction_files(version, image)),
    ):
        files |= {f"nipoppy/{name}-{version}/{file}": content for file, content in contents.items()}
    return files


def file_text(content: Any) -> str:
    """Return the text of a file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
