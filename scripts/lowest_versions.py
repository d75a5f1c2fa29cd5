"""Print constraints with the lowest versions that setup.cfg allows: ``lowest_versions.py [EXTRA ...]``.

A requirement ``numpy >=1.26`` becomes ``numpy==1.26``. Requirements of another Python version are passed
over; of two bounds of a library, the higher applies.
"""

import configparser
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def requirements(config_path: Path, extras: Sequence[str]) -> Iterator[Requirement]:
    """Yield the requirements of the package and of some extras."""
    config = configparser.ConfigParser()
    config.read(config_path, encoding="utf-8")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in extras]
    yield from (Requirement(line) for text in texts for line in text.splitlines() if line.strip())


def lowest_versions(
    config_path: Path, extras: Sequence[str] = (), environment: dict[str, str] | None = None
) -> dict[str, str]:
    """Return the lowest allowed version of each library.

    Parameters
    ----------
    config_path : Path
        A setup.cfg.
    extras : sequence of str
        Extras whose requirements are added.
    environment : dict of str to str, optional
        Values of environment markers, e.g. ``python_version``; by default those of this Python.

    Returns
    -------
    dict of str to str
        Versions by normalised name of the library, in alphabetical order.

    Raises
    ------
    ValueError
        If a requirement has no lower bound.
    """
    versions: dict[str, str] = {}
    for requirement in requirements(config_path, extras):
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        bounds = [spec.version for spec in requirement.specifier if spec.operator in (">=", "==", "~=")]
        if not bounds:
            message = f"{config_path}: '{requirement}' has no lower bound. Add one, e.g. '>=1.0'."
            raise ValueError(message)
        name = canonicalize_name(requirement.name)
        versions[name] = max([*bounds, versions.get(name, "0")], key=Version)
    return dict(sorted(versions.items()))


if __name__ == "__main__":
    for name, version in lowest_versions(ROOT / "setup.cfg", sys.argv[1:]).items():
        print(f"{name}=={version}")
