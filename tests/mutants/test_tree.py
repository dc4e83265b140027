"""The copy of the tree: tests and the children that they start run what is written there."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.mutants.tree import ROOT, Tree

pytestmark = pytest.mark.xdist_group("tree")  # one copy for all

NAME = "tests/test_probe.py"
PROBE = """
import pathlib, subprocess, sys, time
import song_mcp.text

def test_here():
    assert {here}

def test_in_a_child():
    program = "import song_mcp.__main__, song_mcp.text; assert {there}"
    subprocess.run([sys.executable, "-c", program], env={{}}, check=True)

def test_of_no_end():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={{}})
    pathlib.Path("../child").write_text(str(child.pid))
    time.sleep({sleep_s})
    child.kill()
    child.wait()
"""


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    """Yield a copy outside of the folder whose files are searched for canaries: it has our own."""
    with TemporaryDirectory(prefix="song-mcp-mutants-") as folder, Tree(Path(folder)) as opened:
        yield opened


def write_probe(tree: Tree, *, here: str = "True", there: str = "True", sleep_s: int = 0) -> None:
    text = PROBE.format(here=here, there=there, sleep_s=sleep_s)
    (tree.root / NAME).write_text(text, encoding="utf-8")


@pytest.mark.long
def test_tests_and_their_children_run_what_is_written_and_then_what_is_written_back(
    tree: Tree,
) -> None:
    is_mutant = "hasattr(song_mcp.text, 'mutant')"
    original = (ROOT / "src/song_mcp/text.py").read_bytes()
    write_probe(tree, here=is_mutant, there=is_mutant)
    tree.write("text.py", original + b"\nmutant = 1\n")
    assert tree.run([NAME], 120.0) == "passed", tree.log()
    tree.write("text.py", original)
    assert tree.run([NAME], 120.0) == "failed", tree.log()


def test_a_mutant_that_breaks_only_children_is_noticed(tree: Tree) -> None:
    write_probe(tree)
    tree.write("__main__.py", b"raise SystemExit(9)\n")
    assert tree.run([NAME], 120.0) == "failed"
    assert "exit status 9" in tree.log()


@pytest.mark.long
def test_a_run_without_end_is_ended_with_its_children(tree: Tree) -> None:
    write_probe(tree, sleep_s=600)
    tree.write("__main__.py", b"")
    started = tree.root.parent / "child"
    limit_s = 2.0
    while not started.exists():
        assert tree.run([NAME], limit_s) == "timed out"
        limit_s *= 3
    status = Path(f"/proc/{started.read_text(encoding='utf-8')}/status")
    assert not status.exists() or "Z (zombie)" in status.read_text(encoding="utf-8")
