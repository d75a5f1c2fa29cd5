"""Write the descriptors for Boutiques and Nipoppy: ``python -m scripts.descriptors``."""

import argparse
import shutil
from pathlib import Path

from scripts.descriptors.files import IMAGE, descriptor_files, file_text


def main() -> None:
    """Write all files to a folder, and remove those of earlier versions from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("descriptors"), help="default: descriptors")
    parser.add_argument("--image", default=IMAGE, help=f"name of the container image (default: {IMAGE})")
    arguments = parser.parse_args()
    # Folders of earlier versions have other names, so that nothing would replace their files.
    if (arguments.folder / "nipoppy").exists():
        shutil.rmtree(arguments.folder / "nipoppy")
    for name, content in descriptor_files(arguments.image).items():
        path = arguments.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file_text(content), "utf-8")
        print(path)


if __name__ == "__main__":
    main()
