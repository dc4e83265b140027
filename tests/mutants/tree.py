"""A copy of the source tree in which one file at a time is changed, with an environment of its own.

Tests start children: `sys.executable` with no more of the environment than HOME. So that these run
the mutant too, each copy has a small virtual environment whose only contents are the paths of this
copy's `src` and of the packages that are installed here; its interpreter runs the tests.
"""

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import children
from tests.mutants.worker import LOG, Outcome

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "docs", "pyproject.toml", "README.md")
LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", ".pins")
WORKER = ("-m", "tests.mutants.worker")


class Tree:
    """A copy of this checkout below `folder`, which is made, and the process that tests it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.package = self.root / "src" / "song_mcp"
        self.python = folder / "venv" / "bin" / "python"
        self._age = 1_000_000_000
        self._children = ExitStack()
        for name in COPIED:
            _copy(ROOT / name, self.root / name)
        venv.create(folder / "venv", symlinks=True, with_pip=False)
        paths = [self.root / "src", sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
        (packages / "tree.pth").write_text("\n".join(map(str, paths)), encoding="utf-8")

    def __enter__(self) -> Self:
        self._worker = self._children.enter_context(
            children.popen(
                [str(self.python), *WORKER],
                cwd=self.root,
                env={**os.environ, "PYTHONPATH": ""},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for whoever asked
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._children.close()

    def run(self, tests: Sequence[str], limit_s: float) -> Outcome:
        """Return what the tests say of the tree as it is."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        print(json.dumps([tests, limit_s]), file=self._worker.stdin, flush=True)
        outcome: Outcome = json.loads(self._worker.stdout.readline())
        return outcome

    def log(self) -> str:
        """Return what the last run printed."""
        return (self.root / LOG).read_text(encoding="utf-8", errors="replace")

    def read(self, path: str) -> bytes:
        """Return the text of a module."""
        return (self.package / path).read_bytes()

    def write(self, path: str, text: bytes) -> None:
        """Write a module; its time differs from every earlier one, so no stale bytecode is used."""
        file = self.package / path
        file.write_bytes(text)
        self._age += 2
        os.utime(file, (self._age, self._age))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=LEFT_OUT)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
