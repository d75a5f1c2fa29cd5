"""Write the generated pages of docs/reference: ``python -m scripts.reference``."""

import argparse
from pathlib import Path

from scripts.reference.files import FOLDER, reference_files


def main() -> None:
    """Write all pages to a folder, and remove the pages of commands that no longer exist."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: docs/reference")
    folder = parser.parse_args().folder
    files = reference_files()
    for path in (folder / "commands").glob("*.md"):
        if f"commands/{path.name}" not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        print(path)


if __name__ == "__main__":
    main()
