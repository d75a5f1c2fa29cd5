"""Stand-in for Apptainer: run the command of a container on this machine, with the paths of bound folders.

It takes the same options as the scripts of docs/cluster and BABS give, and an image that is a shell script.
The environment is as bare as with --cleanenv, and HOME does not exist.
"""

import os
import sys
from pathlib import Path

FLAGS = {"--containall", "--cleanenv", "--no-home", "--nv", "--writable-tmpfs"}
PREFIX = "APPTAINERENV_"


def parse_command(words):
    """Return the verb, bound folders by path in the container, variables, image, and the words after it."""
    verb, rest, folders, variables = words[0], list(words[1:]), {}, {}
    while rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag in ("--bind", "-B"):
            source, _, target = rest.pop(0).removesuffix(":ro").partition(":")
            target = target or source
            if not Path(source).exists():
                sys.exit(f"FATAL: container creation failed: mount {source}->{target}: no such file")
            folders[target] = source
        elif flag == "--env":
            variables |= [rest.pop(0).split("=", 1)]
        elif flag not in FLAGS:
            sys.exit(f"The stand-in for Apptainer does not have the option {flag}.")
    return verb, folders, variables, rest[0], rest[1:]


def outside(word, folders):
    """Translate a path in the container to that of this machine."""
    for target, source in folders.items():
        if word == target or word.startswith(f"{target}/"):
            return source + word.removeprefix(target)
    return word


def main():
    verb, folders, variables, image, words = parse_command(sys.argv[1:])
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    environment |= {
        name.removeprefix(PREFIX): value for name, value in os.environ.items() if name.startswith(PREFIX)
    }
    environment |= variables | {"HOME": "/nonexistent"}
    environment = {name: outside(value, folders) for name, value in environment.items()}
    words = [outside(word, folders) for word in words]
    command = ["bash", image, *words] if verb == "run" else words
    sys.stdout.flush()
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    main()
