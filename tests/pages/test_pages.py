"""The code blocks of every page run as they stand, in their order, in one folder."""

from dataclasses import replace

import pytest

from tests.pages.blocks import PAGES, Block, Session, read_blocks, shows, unclosed_fences
from tests.pages.preludes import CHECKS, PRELUDES, SHORTER

BLOCKS = {page: blocks for page in PAGES if (blocks := read_blocks(page))}
# Lower bound: a page whose blocks are no longer found would run none.
MIN_BLOCKS = 17


def run_page(page, blocks, folder, monkeypatch):
    """Run the blocks of a page after its prelude; return the number of blocks that ran."""
    monkeypatch.chdir(folder)
    PRELUDES.get(page, lambda: None)()
    session = Session(folder)
    outputs = session.names["__output__"] = []
    runnable = [block for block in blocks if not block.needs]
    for block in runnable:
        outputs.append(session.run(block))
    if page in CHECKS:
        CHECKS[page](session.names)
    return len(runnable)


def shortened(page):
    """Replace the texts of `SHORTER` in the blocks of a page, whose outputs are then others."""
    blocks = BLOCKS[page]
    for text, shorter in SHORTER[page].items():
        assert any(text in block.code for block in blocks), f"{page} does not have {text!r} any more"
        blocks = [replace(block, code=block.code.replace(text, shorter), output=None) for block in blocks]
    return blocks


@pytest.mark.parametrize("page", sorted(set(BLOCKS) - set(SHORTER)))
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    n_run = run_page(page, BLOCKS[page], tmp_path, monkeypatch)
    print(f"{page}: {n_run} of {len(BLOCKS[page])} blocks ran")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(SHORTER))
def test_the_blocks_of_a_long_page_run(page, tmp_path, monkeypatch):
    run_page(page, BLOCKS[page], tmp_path, monkeypatch)


@pytest.mark.parametrize("page", sorted(SHORTER))
def test_the_blocks_of_a_long_page_run_with_less_data(page, tmp_path, monkeypatch):
    run_page(page, shortened(page), tmp_path, monkeypatch)


def test_no_block_is_left_out(record_property):
    for page in PAGES:
        assert unclosed_fences(page) == 0, f"{page}: a fence is indented or not closed, so it would not run"
    counts = {page: len(blocks) for page, blocks in BLOCKS.items()}
    for page, count in counts.items():
        record_property(page, count)
        print(f"{count:4d} {page}")  # noqa: T201
    not_run = [str(block) for blocks in BLOCKS.values() for block in blocks if block.needs]
    print(f"{sum(counts.values())} blocks in {len(counts)} pages; not run: {not_run or 'none'}")  # noqa: T201
    assert sum(counts.values()) >= MIN_BLOCKS
    assert all(block.startswith("docs/how-to/store.md") for block in not_run)


def test_every_page_of_the_tables_has_blocks():
    assert {*PRELUDES, *CHECKS, *SHORTER} - set(BLOCKS) == set()


@pytest.mark.parametrize(
    ("output", "shown", "expected"),
    [
        ("a\nb 1.25\nc\n", "b ...\nc\n", True),
        ("a\nb\n", "b\na\n", False),
        ("x   y\n", "x y\n", True),
        ("x\ty\t0.123\n", "x ... 0.1...\n", True),
        ("x\n", "x y\n", False),
        ("x.y\n", "xzy\n", False),
        ("a\nskipped\nz\n", "a\n...\nz\n", True),
    ],
)
def test_the_output_of_a_page_is_compared(output, shown, expected):
    assert shows(output, shown) is expected


def test_failures_are_found(tmp_path):
    session = Session(tmp_path)
    session.run(Block("page.md", 1, "bash", "false", exit_code=1))
    session.run(Block("page.md", 1, "bash", "export COLOUR=blue"))
    session.run(Block("page.md", 1, "bash", "echo $COLOUR", output="blue\n"))
    session.run(Block("page.md", 1, "python", "a = 1\nprint(a)", output="1\n"))
    for block in (
        Block("page.md", 1, "bash", "false\ntrue"),
        Block("page.md", 1, "bash", "false | true"),
        Block("page.md", 1, "bash", "true", exit_code=1),
        Block("page.md", 1, "bash", "echo a", output="b"),
        Block("page.md", 1, "bash", "bids-deeptaskgen absent out participant"),
        Block("page.md", 1, "python", "print(a)", output="2"),
    ):
        with pytest.raises(AssertionError, match=r"page.md:1 "):
            session.run(block)
