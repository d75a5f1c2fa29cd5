"""Programs in the environment of another package."""

import json
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def run(environment, command, home):
    """Run a command in an environment; return its output.

    Parameters
    ----------
    environment : str
        Name of the folder in ``$EXPORT_ENVIRONMENTS``.
    command : sequence of str
        The first word is a program of the environment.
    home : Path
        Home folder, for packages that write there.
    """
    folder = Path(os.environ["EXPORT_ENVIRONMENTS"], environment, "bin")
    variables = os.environ | {"HOME": str(home), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    # The packages of this environment must not hide those of the other one.
    variables.pop("PYTHONPATH", None)
    words = [str(folder / command[0]), *map(str, command[1:])]
    done = subprocess.run(words, env=variables, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def run_program(environment, program, home, *arguments):
    """Run a program of this folder, which writes JSON to its last argument; return the content."""
    path = home / "result.json"
    path.unlink(missing_ok=True)
    run(environment, ["python", HERE / program, *arguments, path], home)
    return json.loads(path.read_text("utf-8"))
