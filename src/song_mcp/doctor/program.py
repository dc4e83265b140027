"""The program itself: versions, system, install, compiled code."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import cache_from_source
from pathlib import Path

from song_mcp import __version__
from song_mcp.doctor.finding import Finding, note, ok
from song_mcp.installed import install, typed

PACKAGE = Path(__file__).parent.parent


def examined() -> Iterator[Finding]:
    """Yield what is to be said of the program."""
    here = install()
    yield ok("song-mcp", f"{__version__}, installed as: {here.kind}. To upgrade: {here.upgrade}")
    yield ok("start", f"A client starts it by: {typed(here.command)}")
    yield ok("Python", f"{platform.python_version()} ({sys.executable})")
    yield ok("MCP SDK", _version("mcp"))
    yield ok("system", f"{platform.system()} {platform.release()} {platform.machine()}")
    yield _compiled(PACKAGE)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not known"


def _compiled(package: Path) -> Finding:
    """Return whether the code is compiled: if not, and if it never will be, each start is slow."""
    sources = sorted(package.rglob("*.py"))
    lacking = [each for each in sources if not Path(cache_from_source(str(each))).is_file()]
    if not lacking:
        return ok("bytecode", "All modules are compiled.")
    if sys.dont_write_bytecode or not os.access(package, os.W_OK):
        return note(
            "bytecode",
            f"{len(lacking)} of {len(sources)} modules are not compiled and cannot be here, so "
            "each start is slower.",
            typed([sys.executable, "-m", "compileall", "-q", str(package)]),
        )
    return ok("bytecode", f"{len(lacking)} of {len(sources)} modules are compiled on first use.")
