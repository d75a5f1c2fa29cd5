"""Code blocks of pages: how they are marked, and how they are run."""

import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if "_build" not in path.parts
)
# A fence at the start of a line: a python or bash block is run, a text block after this comment is output.
OUTPUT_COMMENT = "<!-- output -->"
FENCE = re.compile(
    rf"^(?P<mark>{re.escape(OUTPUT_COMMENT)}\s+)?```(?P<kind>python|bash|text)(?P<info>[^\n`]*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# Libraries that pages show and that the tests do not install.
OPTIONAL = ("xarray",)
# File with the variables of the shell, from one block to the next.
STATE = ".state-of-the-shell"


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    Attributes
    ----------
    page : str
        Path of the page in the repository.
    line : int
        Line of its first line of code.
    kind : str
        `python` or `bash`.
    code : str
    exit_code : int
        Expected exit code, from the fence: ```bash exit=2
    output : str or None
        Output that the page shows; `...` stands for anything.
    """

    page: str
    line: int
    kind: str
    code: str
    exit_code: int = 0
    output: str | None = None

    @property
    def needs(self):
        """Return an optional library that is not installed, or None."""
        return next((name for name in OPTIONAL if name in self.code and find_spec(name) is None), None)

    def __str__(self):
        return f"{self.page}:{self.line}"


def read_blocks(page):
    """List the blocks of a page that are run, each with its output."""
    text = (ROOT / page).read_text("utf-8")
    blocks = []
    for match in FENCE.finditer(text):
        if match["kind"] == "text":
            if match["mark"]:
                assert blocks, f"{page}: output without a block before it"
                assert blocks[-1].output is None, f"{blocks[-1]}: two outputs of one block"
                blocks[-1] = replace(blocks[-1], output=match["code"])
            continue
        line = text.count("\n", 0, match.start("code")) + 1
        info = match["info"].strip()
        assert re.fullmatch(r"(exit=\d+)?", info), f"{page}:{line}: unknown word after the kind: {info}"
        exit_code = int(info.partition("=")[2] or 0)
        blocks.append(Block(page, line, match["kind"], match["code"], exit_code))
    return blocks


def unclosed_fences(page):
    """Count the fences of blocks that `read_blocks` does not see, for example indented ones."""
    text = (ROOT / page).read_text("utf-8")
    return len(re.findall(r"```(?:python|bash)", text)) - len(read_blocks(page))


def shows(output, shown):
    """Return whether an output has the lines that a page shows, in their order; `...` is any text."""
    lines = [line.strip() for line in shown.splitlines() if line.strip() not in ("", "...")]
    pattern = r"[\s\S]*".join(rf"^[ \t]*{_line_pattern(line)}[ \t]*$" for line in lines)
    return re.search(pattern, output, re.MULTILINE) is not None


def _line_pattern(line):
    """Build a pattern of a line whose spaces may have any width."""
    parts = re.split(r"\s*\.\.\.\s*", line)
    return ".*".join(r"[ \t]+".join(map(re.escape, part.split())) for part in parts)


class Session:
    """Run the blocks of a page in the current folder: one Python, and shells that hand their variables on.

    Attributes
    ----------
    names : dict
        Variables of the Python blocks.
    """

    def __init__(self, folder):
        self.folder = folder
        self.names = {}

    def run(self, block):
        """Run a block; an error or an unexpected exit code or output fails the test."""
        code, output = (self._python if block.kind == "python" else self._bash)(block)
        ending = f"{block} ended with exit code {code}, expected {block.exit_code}"
        assert code == block.exit_code, f"{ending}:\n{block.code}\n{output[-4000:]}"
        if block.output is not None:
            message = f"{block} printed\n{output[-4000:]}\nbut shows\n{block.output}"
            assert shows(output, block.output), message
        return output

    def _python(self, block):
        source = "\n" * (block.line - 1) + block.code
        stream = StringIO()
        with redirect_stdout(stream):
            exec(compile(source, str(ROOT / block.page), "exec"), self.names)  # noqa: S102
        return 0, stream.getvalue()

    def _bash(self, block):
        state = self.folder / STATE
        script = f'[ -f "{state}" ] && . "{state}"\ntrap \'export -p > "{state}"\' EXIT\n{block.code}'
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env=environment(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


def environment(folder):
    """Build the variables of shells: commands of this checkout first, models in the folder, no network."""
    refused = "http://127.0.0.1:9"
    return os.environ | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
        "DEEPTASKGEN_HOME": str(folder / ".deeptaskgen"),
        "HTTP_PROXY": refused,
        "HTTPS_PROXY": refused,
        "COLUMNS": "150",
    }
